/**
 * Who may read and change files: the checks of a `doctor`.
 *
 * @module
 */
import { accessSync, constants, statSync, type Stats } from "node:fs";
import { fail, ok, unknown, warn, type Finding } from "./checkup.ts";

const AS_WHOM = "run the doctor as root, or as the program's own user";

export type Guarded = {
  readonly path: string;
  /** `secret`: nobody else may read it; `own`: nobody else may change it. */
  readonly kind: "secret" | "own";
  /** True where it is no fault that it isn't there. */
  readonly optional?: boolean;
};

/** Judges each file or folder; those that are good are told in one line. */
export function permissionFindings(about: string, guarded: readonly Guarded[]): readonly Finding[] {
  const faults = guarded.flatMap((one) => judge(about, one));
  const looked = guarded.filter(({ path }) => statOf(path) !== undefined).length;
  return faults.length > 0 ? faults : [ok(about, `${looked} files and folders: nobody else may change them`)];
}

function judge(about: string, { path, kind, optional = false }: Guarded): readonly Finding[] {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return [unknown(about, reason, AS_WHOM)];
  }
  if (stats === undefined)
    return optional ? [] : [fail(about, `${path} isn't there`, "make it, or mend the configuration")];
  const mode = stats.mode & 0o777;
  const octal = mode.toString(8).padStart(4, "0");
  if (kind === "secret" && (mode & 0o077) !== 0)
    return [fail(about, `${path} has mode ${octal}: others can read this secret`, `chmod 600 ${path}`)];
  if ((mode & 0o002) !== 0)
    return [fail(about, `${path} has mode ${octal}: everybody may change it`, `chmod o-w ${path}`)];
  if ((mode & 0o020) !== 0 && !stats.isDirectory())
    return [warn(about, `${path} has mode ${octal}: its group may change it`, `chmod g-w ${path}`)];
  return [];
}

/** Where this user may not read a file that is there, a finding that says so; else undefined. */
export function unreadable(about: string, path: string): Finding | undefined {
  if (statOf(path) === undefined) return undefined;
  try {
    accessSync(path, constants.R_OK);
    return undefined;
  } catch {
    return unknown(about, `${path} can't be read by this user`, AS_WHOM);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
