/**
 * Which program this is, and when it was made.
 *
 * @module
 */
import packageJson from "../../package.json" with { type: "json" };

export const VERSION: string = packageJson.version;

/** When this version was made: no clock that stands before it is right. Moved forward with each release. */
export const BUILD_UNIX_MS = Date.UTC(2026, 10, 1);
