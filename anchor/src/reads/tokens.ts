/**
 * Tokens for reading: one file each, named by the SHA-256 of the token, which itself is kept nowhere. 256 random bits need no slow hash.
 *
 * Each use looks the file up, so that a token that was withdrawn is of no use from that moment on.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { EvidenceError } from "@tallystick/evidence";
import { writeDurable } from "@tallystick/evidence/node";
import { makeOnce, readIfThere } from "../make-once.ts";
import { checkScope } from "./scope.ts";

const PREFIX = "tally-read-";
const SECRET_BYTES = 32;
const TOKEN = /^tally-read-[A-Za-z0-9_-]{43}$/;
const FILE = /^[0-9a-f]{64}\.json$/;
const MAX_TOKENS = 10_000;
export const TOKEN_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
export const MAX_SCOPE = 64;

const isScope = (pattern: string): boolean => {
  try {
    checkScope(pattern);
    return true;
  } catch {
    return false;
  }
};

const StoredToken = z.strictObject({
  version: z.literal(1),
  name: z.string().regex(TOKEN_NAME),
  /** Patterns of full stream names. */
  streams: z.array(z.string().refine(isScope)).min(1).max(MAX_SCOPE),
  madeUnixS: z.int().min(0),
  expiresUnixS: z.int().min(0),
  revokedUnixS: z.int().min(0).optional(),
});

export type ReadToken = Omit<z.output<typeof StoredToken>, "version" | "streams"> & {
  readonly streams: readonly string[];
  /** SHA-256 of the token, hexadecimal: its file. */
  readonly hash: string;
};

/** A new token, and what is kept of it. */
export function newToken(): { readonly token: string; readonly hash: string } {
  const token = PREFIX + randomBytes(SECRET_BYTES).toString("base64url");
  return { token, hash: hashOf(token) };
}

const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

export class TokenStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /**
   * Keeps a new token.
   *
   * @throws EvidenceError `name-malformed` where one of this name isn't over yet; `pool-full`
   */
  async add({ hash, ...token }: ReadToken, nowUnixS: number): Promise<void> {
    const all = this.list();
    if (all.length >= MAX_TOKENS)
      throw new EvidenceError(
        "pool-full",
        `${this.#folder}: ${all.length} tokens: remove those that are over`,
      );
    // The name stands in the ledger for whoever reads: two at a time would be one.
    if (all.some((one) => one.name === token.name && stateOf(one, nowUnixS) === "good"))
      throw new EvidenceError(
        "name-malformed",
        `${token.name}: there is a token of this name: revoke it first`,
      );
    await makeOnce(this.#path(hash), `${JSON.stringify({ version: 1, ...token })}\n`);
  }

  /** Withdraws the good tokens of this name. @returns how many there were */
  async revoke(name: string, nowUnixS: number): Promise<number> {
    const good = this.list().filter((one) => one.name === name && stateOf(one, nowUnixS) === "good");
    for (const { hash, ...token } of good) {
      const text = JSON.stringify({ version: 1, ...token, revokedUnixS: nowUnixS });
      await writeDurable(this.#path(hash), `${text}\n`, { mode: 0o600 });
    }
    return good.length;
  }

  /** All there are, by name, the newest of one name first. */
  list(): readonly ReadToken[] {
    return readdirSync(this.#folder)
      .filter((name) => FILE.test(name))
      .flatMap((name) => this.#read(name.slice(0, 64)) ?? [])
      .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : b.madeUnixS - a.madeUnixS));
  }

  /**
   * The token that a client shows.
   *
   * @param authorization - the header
   * @throws EvidenceError `credentials-missing`, `token-unknown`, `token-expired`, `token-revoked`; `storage-failed` where its file is damaged
   */
  shown(authorization: string | undefined, nowUnixS: number): ReadToken {
    const [scheme = "", given = "", more] = authorization?.trim().split(/ +/) ?? [];
    if (scheme.toLowerCase() !== "bearer" || given === "" || more !== undefined)
      throw new EvidenceError(
        "credentials-missing",
        "send Authorization: Bearer and the token that the anchor's operator gave you",
      );
    const token = TOKEN.test(given) ? this.#read(hashOf(given)) : undefined;
    if (token === undefined)
      throw new EvidenceError("token-unknown", "no such token: ask the anchor's operator for one");
    const state = stateOf(token, nowUnixS);
    if (state === "revoked")
      throw new EvidenceError("token-revoked", `the token ${token.name} was withdrawn: ask for a new one`);
    if (state === "expired") {
      const at = new Date(token.expiresUnixS * 1000).toISOString();
      throw new EvidenceError("token-expired", `the token ${token.name} expired on ${at}: ask for a new one`);
    }
    return token;
  }

  #path(hash: string): string {
    return join(this.#folder, `${hash}.json`);
  }

  #read(hash: string): ReadToken | undefined {
    const bytes = readIfThere(this.#path(hash));
    if (bytes === undefined) return undefined;
    const read = StoredToken.safeParse(json(bytes));
    if (!read.success)
      throw new EvidenceError(
        "storage-failed",
        `${this.#path(hash)} is damaged: remove it, and give out a new token`,
      );
    const { version: _, ...token } = read.data;
    return { hash, ...token };
  }
}

export function stateOf(
  { expiresUnixS, revokedUnixS }: Pick<ReadToken, "expiresUnixS" | "revokedUnixS">,
  nowUnixS: number,
): "good" | "expired" | "revoked" {
  if (revokedUnixS !== undefined) return "revoked";
  return nowUnixS < expiresUnixS ? "good" : "expired";
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return undefined;
  }
}
