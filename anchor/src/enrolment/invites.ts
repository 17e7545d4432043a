/**
 * Invites that were given out, one file each: what the enrolment will say, when it ends, and the hash of the secret. Beside it, once somebody used it, a file that says
 * who: it can be made only once, so no invite enrols two keys, whether the anchor, a command or a second anchor is asked, and whenever one of them dies.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import {
  checkStreamPattern,
  EvidenceError,
  fromHex,
  isEvidenceError,
  isOperator,
  toHex,
} from "@tallystick/evidence";
import { makeOnce, readIfThere } from "../make-once.ts";

const DAY_S = 86_400;
/** How long it can still be told that an invite has expired, was used or withdrawn. */
const KEEP_S = 30 * DAY_S;

const [INVITE, USE] = [".json", ".used"] as const;
const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`))
    .transform(fromHex);
const holds =
  (check: (text: string) => unknown) =>
  (text: string): boolean => {
    try {
      return check(text) !== false;
    } catch {
      return false;
    }
  };

const StoredInvite = z.strictObject({
  version: z.literal(1),
  device: z.string().refine(holds((device) => !isOperator(device))),
  secretHash: hex(32),
  madeUnixS: z.int().min(0),
  expiresUnixS: z.int().min(0),
  streams: z
    .array(z.string().refine(holds(checkStreamPattern)))
    .min(1)
    .max(256),
  silenceS: z.int().min(0),
  /** Why the device is enrolled anew, where it is. */
  reEnrol: z.string().min(1).max(200).optional(),
});

const Use = z.strictObject({
  version: z.literal(1),
  atUnixS: z.int().min(0),
  /** The key that was shown; absent where the invite was withdrawn. */
  kid: hex(32).optional(),
  machine: hex(32).optional(),
});

export type StoredInvite = Omit<z.output<typeof StoredInvite>, "version"> & { readonly id: Uint8Array };
export type InviteUse = Omit<z.output<typeof Use>, "version">;
/** As {@link StoredInvite}, with what became of it. */
export type ListedInvite = StoredInvite & { readonly use: InviteUse | undefined };

/** What the anchor keeps of a secret: 128 random bits need no slow hash. */
export const secretHash = (secret: Uint8Array): Uint8Array =>
  new Uint8Array(createHash("sha256").update("tallystick invite 1\n").update(secret).digest());

export class InviteStore {
  readonly #folder: string;
  readonly #maxOpen: number;
  readonly #nowUnixS: () => number;

  /** @param maxOpen - invites that may wait to be used */
  constructor(
    folder: string,
    { maxOpen, nowUnixS }: { readonly maxOpen: number; readonly nowUnixS: () => number },
  ) {
    this.#folder = folder;
    this.#maxOpen = maxOpen;
    this.#nowUnixS = nowUnixS;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** @throws EvidenceError `pool-full` where so many more would be too many */
  mustHaveRoom(count: number): void {
    this.tidy();
    const open = this.#names(INVITE).filter((name) => !existsSync(this.#path(name, USE))).length;
    if (open + count <= this.#maxOpen) return;
    throw new EvidenceError(
      "pool-full",
      `${open} invites wait to be used, and ${this.#maxOpen} may: withdraw some (tally-anchor invite withdraw), or raise enrolment.maxInvites`,
    );
  }

  /**
   * Keeps new invites.
   *
   * @throws EvidenceError `pool-full` where too many wait already; none of these is kept then
   */
  async add(invites: readonly StoredInvite[]): Promise<void> {
    this.mustHaveRoom(invites.length);
    for (const { id, secretHash: hash, ...invite } of invites) {
      const text = JSON.stringify({ version: 1, ...invite, secretHash: toHex(hash) });
      await makeOnce(this.#path(toHex(id), INVITE), `${text}\n`);
    }
  }

  /** Whether it is known, whatever became of it. */
  has(id: Uint8Array): boolean {
    return existsSync(this.#path(toHex(id), INVITE));
  }

  /** @throws EvidenceError `storage-failed` where its file is damaged */
  find(id: Uint8Array): ListedInvite | undefined {
    const name = toHex(id);
    const found = this.#read(name, INVITE, StoredInvite);
    if (found === undefined) return undefined;
    const { version: _, ...invite } = found;
    return { id, ...invite, use: this.#use(name) };
  }

  /**
   * Uses an invite up, for whoever comes first.
   *
   * @returns the use that stands: this one or an earlier one
   */
  async use(id: Uint8Array, use: InviteUse): Promise<InviteUse> {
    const name = toHex(id);
    const { kid, machine } = use;
    const text = JSON.stringify({
      version: 1,
      atUnixS: use.atUnixS,
      ...(kid && { kid: toHex(kid) }),
      ...(machine && { machine: toHex(machine) }),
    });
    if (await makeOnce(this.#path(name, USE), `${text}\n`)) return use;
    return this.#use(name) ?? use;
  }

  /**
   * All that are known, the newest first.
   *
   * @param onDamaged - told of each whose file is damaged; the others are listed all the same
   */
  list(onDamaged: (what: string) => void = () => undefined): readonly ListedInvite[] {
    return this.#names(INVITE)
      .flatMap((name) => this.#whole(name, onDamaged) ?? [])
      .toSorted((a, b) => b.madeUnixS - a.madeUnixS || (toHex(a.id) < toHex(b.id) ? -1 : 1));
  }

  /** Forgets what ended long ago. */
  tidy(): void {
    const before = this.#nowUnixS() - KEEP_S;
    for (const name of this.#names(INVITE)) {
      const invite = this.#whole(name);
      if (invite === undefined || Math.max(invite.expiresUnixS, invite.use?.atUnixS ?? 0) > before) continue;
      rmSync(this.#path(name, INVITE), { force: true }); // before the use: an invite must not stand without it
      rmSync(this.#path(name, USE), { force: true });
    }
  }

  /** Undefined also where its file is damaged, which is told to whoever needs it. */
  #whole(name: string, onDamaged: (what: string) => void = () => undefined): ListedInvite | undefined {
    try {
      return this.find(fromHex(name));
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      onDamaged(error.message);
      return undefined;
    }
  }

  #use(name: string): InviteUse | undefined {
    const found = this.#read(name, USE, Use);
    if (found === undefined) return undefined;
    const { version: _, ...use } = found;
    return use;
  }

  #names(ending: string): readonly string[] {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(ending) && /^[0-9a-f]{32}\./.test(name))
      .map((name) => name.slice(0, -ending.length));
  }

  #path(name: string, ending: string): string {
    return join(this.#folder, name + ending);
  }

  #read<T>(name: string, ending: string, schema: z.ZodType<T>): T | undefined {
    const path = this.#path(name, ending);
    const bytes = readIfThere(path);
    if (bytes === undefined) return undefined;
    const read = schema.safeParse(json(bytes));
    if (!read.success)
      throw new EvidenceError("storage-failed", `${path} is damaged: remove it, and invite anew`);
    return read.data;
  }
}

/** In the same time wherever they differ. */
export const sameSecret = (invite: StoredInvite | undefined, secret: Uint8Array): boolean =>
  timingSafeEqual(invite?.secretHash ?? new Uint8Array(32), secretHash(secret));

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
