/**
 * Requests that wait for an operator, one file each, and beside it what was decided: `.approved` with the item that was signed, `.refused` with the reason. A request goes when its
 * key is in the registry.
 *
 * @module
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { decodeUtf8, encodeUtf8, EvidenceError, fromHex, parseIss, toHex } from "@tallystick/evidence";
import { writeDurable } from "@tallystick/evidence/node";
import { fateOf } from "../registry/submit.ts";
import { makeOnce, readIfThere } from "../make-once.ts";
import { decodeRequest, encodeRequest, type Request } from "./request.ts";

const [REQUEST, APPROVED, REFUSED] = [".cbor", ".approved", ".refused"] as const;
const DAY_S = 86_400;
/** How long a device can still be told that it was refused. */
const KEEP_REFUSED_S = 30 * DAY_S;

/** Where a request stands. `failed`: an operator approved it, and the registry refused the item. */
export type Standing =
  | { readonly state: "waiting" | "approved" }
  | { readonly state: "failed"; readonly code: string; readonly reason: string }
  | { readonly state: "refused"; readonly reason: string };

export type Listed = { readonly name: string; readonly request: Request; readonly standing: Standing };

/** The name of a request: one for each device and key. */
export function nameOf({ device, key }: Pick<Request, "device" | "key">): string {
  const { org, device: name } = parseIss(device);
  return `enrol-${org}.${name}-${toHex(key.kid.subarray(0, 8))}`;
}

export class RequestStore {
  readonly #folder: string;
  readonly #inbox: string;

  /** @param inbox - where items of approved requests go, whoever brings them */
  constructor(folder: string, inbox: string) {
    this.#folder = folder;
    this.#inbox = inbox;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Keeps a request; one of the same device and key stays as it is. */
  async add(request: Request): Promise<void> {
    await makeOnce(this.#path(nameOf(request), REQUEST), encodeRequest(request));
  }

  find(name: string): Listed | undefined {
    const bytes = readIfThere(this.#path(name, REQUEST));
    if (bytes === undefined) return undefined;
    return { name, request: decodeRequest(bytes), standing: this.#standing(name) };
  }

  /** Requests that nothing was decided of, or whose approval failed, come first; then by time. */
  list(): readonly Listed[] {
    return this.#files()
      .flatMap((file) => this.find(file.slice(0, -REQUEST.length)) ?? [])
      .toSorted((a, b) => rank(a) - rank(b) || a.request.atUnixS - b.request.atUnixS);
  }

  /** The other device that this key has asked for, where it has. */
  otherDeviceWith({ device, key }: Pick<Request, "device" | "key">): string | undefined {
    const ending = `-${toHex(key.kid.subarray(0, 8))}${REQUEST}`;
    const own = `${nameOf({ device, key })}${REQUEST}`;
    const file = this.#files().find((one) => one.endsWith(ending) && one !== own);
    return file === undefined ? undefined : this.find(file.slice(0, -REQUEST.length))?.request.device;
  }

  /** Notes which item grants the request; an earlier decision is void. */
  async approved(name: string, item: { readonly file: string; readonly hash: Uint8Array }): Promise<void> {
    // Its name alone: a command may see the folder under another path than the anchor.
    const text = `${toHex(item.hash)} ${basename(item.file)}\n`;
    await writeDurable(this.#path(name, APPROVED), text, { mode: 0o600 });
    rmSync(this.#path(name, REFUSED), { force: true });
  }

  async refused(name: string, reason: string): Promise<void> {
    await writeDurable(this.#path(name, REFUSED), encodeUtf8(`${reason}\n`), { mode: 0o600 });
    rmSync(this.#path(name, APPROVED), { force: true });
  }

  /** A refusal that came too late: the item was signed. */
  withdrawRefusal(name: string): void {
    rmSync(this.#path(name, REFUSED), { force: true });
  }

  /** Forgets a request: its key is in the registry, or it was refused long ago. */
  remove(name: string): void {
    for (const ending of [REQUEST, APPROVED, REFUSED]) rmSync(this.#path(name, ending), { force: true });
  }

  /**
   * Forgets what is settled. A refusal stays as long as its invite is known, or the same key would ask anew with it.
   *
   * @param isEnrolled - whether a key is in the registry
   * @param isInvite - whether an invite is known, also one that was used
   */
  tidy(
    isEnrolled: (kid: Uint8Array) => boolean,
    isInvite: (id: Uint8Array) => boolean,
    nowUnixS: number,
  ): void {
    for (const { name, request, standing } of this.list()) {
      const isOld =
        standing.state === "refused" &&
        request.atUnixS < nowUnixS - KEEP_REFUSED_S &&
        !isInvite(request.invite);
      if (isOld || isEnrolled(request.key.kid)) this.remove(name);
    }
  }

  #standing(name: string): Standing {
    const refused = readIfThere(this.#path(name, REFUSED));
    if (refused !== undefined) return { state: "refused", reason: decodeUtf8(refused).trimEnd() };
    const approved = readIfThere(this.#path(name, APPROVED));
    if (approved === undefined) return { state: "waiting" };
    const [, hash = "", file = ""] = /^([0-9a-f]{64}) (.+)\n$/.exec(decodeUtf8(approved)) ?? [];
    const item = { file: join(this.#inbox, basename(file)), statement: { hash: fromHex(hash) } };
    const fate = file === "" ? undefined : fateOf(item);
    return fate === undefined || fate === "done" ? { state: "approved" } : { state: "failed", ...fate };
  }

  /** Requests of other kinds lie in the same folder. */
  #files(): readonly string[] {
    return readdirSync(this.#folder).filter((file) => file.startsWith("enrol-") && file.endsWith(REQUEST));
  }

  #path(name: string, ending: string): string {
    return join(this.#folder, name + ending);
  }
}

const rank = ({ standing: { state } }: Listed): number => (state === "waiting" || state === "failed" ? 0 : 1);

/**
 * The request that somebody means by a name: its own, its file's, or its device's.
 *
 * @throws EvidenceError `storage-missing` where none or more than one is meant
 */
export function requestNamed(store: RequestStore, given: string): Listed {
  const name = given.replace(/^.*\//s, "").replace(/\.cbor$/, "");
  const all = store.list();
  const meant = all.filter((one) => one.name === name || one.request.device === given);
  const [only, ...more] = meant;
  if (only !== undefined && more.length === 0) return only;
  const there = meant.length > 1 ? meant : all;
  const list = there.length === 0 ? "none waits" : there.map((one) => one.name).join(", ");
  throw new EvidenceError(
    "storage-missing",
    `${given}: ${meant.length > 1 ? "more than one request of this device" : "no such request"}; there are: ${list}`,
  );
}
