/**
 * Secrets of services: random, so that a hash without salt or work tells nothing of them.
 *
 * @module
 */
import { hash, randomBytes } from "node:crypto";

const SECRET_BYTES = 32;

/** `secret` is what the service shows as its MQTT password; `hash`, of just that text, is all that the broker has to know. */
export function makeSecret(): { readonly secret: string; readonly hash: string } {
  const secret = randomBytes(SECRET_BYTES).toString("base64url");
  return { secret, hash: `sha256:${hash("sha256", secret, "hex")}` };
}
