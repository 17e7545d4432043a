/**
 * The folder with all that Mosquitto is given: its configuration, the first state of dynamic security, and the password of whoever administers it.
 *
 * @module
 */
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { EvidenceError } from "@tallystick/evidence";
import { UsageError, writeDurable } from "@tallystick/evidence/node";
import { ADMIN, adminRole, type Role } from "./roles.ts";

/** A Unix socket's path has room for so many bytes (sun_path of Linux, with its end). */
const MAX_SOCKET_PATH = 107;

/** Of the hash that Mosquitto's own tools make. The password is random, so that nothing depends on the number. */
const ITERATIONS = 101;
const HASH_BYTES = 64;
const SALT_BYTES = 12;
const PASSWORD_BYTES = 32;

export type MosquittoFolder = {
  readonly path: string;
  readonly config: string;
  /** Dynamic security's state. Mosquitto writes it anew at each change. */
  readonly state: string;
  /** Where whoever is on this machine, and may open it, administers Mosquitto. */
  readonly socket: string;
  /** Options of `mosquitto_rr`, the password among them: so it stands in no list of processes. */
  readonly options: string;
};

/**
 * A path as it stands in Mosquitto's files, whose lines are words.
 *
 * @throws UsageError that names the setting
 */
export function plainPath(setting: string, given: string): string {
  const path = resolve(given);
  if (!/^[\x21-\x7e]+$/.test(path))
    throw new UsageError(`${setting}: ${JSON.stringify(path)}: use a path of printable ASCII without spaces`);
  return path;
}

/**
 * The folder, made where there is none.
 *
 * @throws UsageError for a path that could not stand in Mosquitto's files or is too long for a socket in it, and for root in somebody else's folder
 */
export function folderAt(out: string): MosquittoFolder {
  const path = plainPath("--out", out);
  const socket = join(path, "admin.sock");
  if (socket.length > MAX_SOCKET_PATH)
    throw new UsageError(
      `--out: ${path}: use a path of at most ${MAX_SOCKET_PATH - "/admin.sock".length} characters`,
    );
  mkdirSync(path, { recursive: true, mode: 0o750 });
  const { uid } = statSync(path);
  if (process.getuid?.() === 0 && uid !== 0)
    throw new UsageError(
      `--out: run this as the folder's owner (user ${uid}), whose files Mosquitto can read and write`,
    );
  return {
    path,
    config: join(path, "mosquitto.conf"),
    state: join(path, "dynamic-security.json"),
    socket,
    options: join(path, "mosquitto_rr"),
  };
}

/**
 * Writes the configuration, and, where there is none yet, the state with its password.
 *
 * @returns whether the state was written; where it was there already, Mosquitto owns it
 * @throws EvidenceError `storage-missing` where there is a state and no password for it
 */
export async function writeFolder(
  { config, state, options, socket }: MosquittoFolder,
  text: string,
  roles: readonly Role[],
): Promise<boolean> {
  await writeDurable(config, text, { mode: 0o640 });
  if (existsSync(state)) {
    if (existsSync(options)) return false;
    throw new EvidenceError(
      "storage-missing",
      `${options} is not there, and with it the password to ${state}: remove that file too, and make both anew`,
    );
  }
  const password = randomBytes(PASSWORD_BYTES).toString("base64url");
  await writeDurable(options, `--unix ${socket}\n-i ${ADMIN}\n-u ${ADMIN}\n-P ${password}\n`, {
    mode: 0o600,
  });
  await writeDurable(state, stateText(roles, password), { mode: 0o600 });
  return true;
}

/** What `mosquitto_ctrl dynsec init` and commands after it would have made. */
function stateText(roles: readonly Role[], password: string): string {
  const salt = randomBytes(SALT_BYTES);
  const hash = pbkdf2Sync(password, salt, ITERATIONS, HASH_BYTES, "sha512");
  const admin = {
    username: ADMIN,
    password: hash.toString("base64"),
    salt: salt.toString("base64"),
    iterations: ITERATIONS,
    roles: [{ rolename: ADMIN }],
  };
  const state = {
    defaultACLAccess: {
      publishClientSend: false,
      publishClientReceive: false,
      subscribe: false,
      unsubscribe: true,
    },
    clients: [admin, ...roles.map(({ client, name }) => ({ username: client, roles: [{ rolename: name }] }))],
    groups: [],
    roles: [adminRole, ...roles].map(({ name, acls }) => ({ rolename: name, acls })),
  };
  return `${JSON.stringify(state, undefined, 1)}\n`;
}
