/**
 * The device's key in a token, by PKCS#11.
 *
 * @module
 */
import { hash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import {
  ed25519Key,
  equalBytes,
  esp256Key,
  EvidenceError,
  fromHex,
  lowS,
  toHex,
  type PublicKey,
} from "@tallystick/evidence";
import { createNodeProvider, syncDirectory, writeDurable } from "@tallystick/evidence/node";
import type { DeviceKey, KeyStore } from "./store.ts";
import { TokenClient, type TokenClientParts } from "./token-client.ts";
import type { KeyType, TokenKey } from "./token-key.ts";
import type { TokenPlace } from "./token-place.ts";

/** What every token can do. */
const DEFAULT_TYPE: KeyType = "p256";

/** `name`: the label of a key that is made where the configuration gives none. `next`: the file that says that there is a next key. */
export type TokenSettings = TokenPlace & { readonly name: string; readonly next: string };

export class TokenKeys implements KeyStore {
  readonly place: string;
  readonly #settings: TokenSettings;
  readonly #client: TokenClient;
  readonly #next: string;
  readonly #provider = createNodeProvider();

  constructor(settings: TokenSettings, parts: TokenClientParts) {
    this.#settings = settings;
    this.#client = new TokenClient(settings, parts);
    this.#next = settings.next;
    const { token, slot, label, id } = settings;
    const where = token === undefined ? `slot ${slot}` : `token "${token}"`;
    this.place = [
      where,
      ...(label === undefined ? [] : [`label "${label}"`]),
      ...(id === undefined ? [] : [`id ${id}`]),
    ].join(", ");
  }

  async open(kid?: Uint8Array): Promise<DeviceKey> {
    const found = kid === undefined ? await this.#named() : await this.#ofKid(kid);
    const key = publicKeyOf(found);
    return {
      key,
      sign: (message) => this.#sign(found, key, message),
      ...(found.isSealed ? { token: found.model } : {}),
    };
  }

  async print(kid?: Uint8Array): Promise<PublicKey> {
    return publicKeyOf(await (kid === undefined ? this.#named() : this.#ofKid(kid)));
  }

  async make(type: KeyType = DEFAULT_TYPE): Promise<PublicKey> {
    const { label, id, name } = this.#settings;
    const [there] = await this.#client.keys({ label: label ?? (id === undefined ? name : undefined), id });
    if (there !== undefined) {
      const kid = toHex(publicKeyOf(there).kid);
      throw new EvidenceError(
        "key-file-exists",
        `${this.place}: a key is there already (kid ${kid}); it is never overwritten`,
      );
    }
    return publicKeyOf(await this.#makeSealed(type, id));
  }

  async makeNext(type: KeyType | undefined): Promise<PublicKey> {
    if (existsSync(this.#next)) {
      throw new EvidenceError(
        "key-file-exists",
        `${this.#next}: a rotation is under way already: see tally-agent status; where no agent took it up yet, removing this file ends it`,
      );
    }
    const made = await this.#makeSealed(type ?? DEFAULT_TYPE, undefined);
    const key = publicKeyOf(made);
    await writeDurable(this.#next, `${toHex(key.kid)}\n`, { mode: 0o644 });
    return key;
  }

  async next(): Promise<DeviceKey | undefined> {
    if (!existsSync(this.#next)) return undefined;
    const kid = readFileSync(this.#next, "utf8").trim();
    if (/^[0-9a-f]{64}$/.test(kid)) return this.open(fromHex(kid));
    throw this.#error(`${this.#next} does not name a key: remove it, and run: tally-agent key rotate`);
  }

  async settle(kid: Uint8Array): Promise<{ isNamed: false; text: string }> {
    rmSync(this.#next, { force: true });
    await syncDirectory(dirname(this.#next));
    const { id } = await this.#ofKid(kid);
    return {
      isNamed: false,
      text: `the key that signs has the id ${id}; set pkcs11.id to it. The old one is still in the token: destroy it with the token's own tool`,
    };
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #makeSealed(type: KeyType, id: string | undefined): Promise<TokenKey> {
    const { label, name } = this.#settings;
    const made = await this.#client.make({ type, label: label ?? name, id });
    if (made.isSealed) return made;
    throw this.#error(
      `the token made a key (id ${made.id}) that it would give out: don't use it, and take another token`,
    );
  }

  async #named(): Promise<TokenKey> {
    const { label, id } = this.#settings;
    const [one, ...more] = await this.#client.keys({ label, id });
    if (one === undefined)
      throw this.#error(
        "no Ed25519 or P-256 key of this name is in the token, or its public half is not; run: tally-agent key make",
      );
    if (more.length === 0) return one;
    const all = [one, ...more].map((key) => `${key.id} (kid ${toHex(publicKeyOf(key).kid).slice(0, 16)}…)`);
    throw this.#error(`several keys have this name: give pkcs11.id, one of ${all.join(", ")}`);
  }

  async #ofKid(kid: Uint8Array): Promise<TokenKey> {
    const isIt = (key: TokenKey): boolean => equalBytes(publicKeyOf(key).kid, kid);
    const found = (await this.#client.keys({})).find(isIt) ?? (await this.#client.keys({}, true)).find(isIt);
    return found ?? this.#fail(`the key ${toHex(kid)}, with which this device signs, is not in the token`);
  }

  async #sign(found: TokenKey, key: PublicKey, message: Uint8Array): Promise<Uint8Array> {
    // CKM_ECDSA takes the hash: not every module has the mechanism that hashes as well.
    const data = found.type === "p256" ? new Uint8Array(hash("sha256", message, "buffer")) : message;
    const raw = await this.#client.sign(found, data);
    const signature = found.type === "p256" && raw.length === 64 ? lowS(raw) : raw;
    // A chip that errs, and a public half that belongs to another key, are noticed here and not at the log.
    if (this.#provider.verify(key, message, signature)) return signature;
    return this.#fail("the token's signature does not verify with the public half that it shows");
  }

  #fail(text: string): never {
    throw this.#error(text);
  }

  #error(text: string): EvidenceError {
    return new EvidenceError("hardware-key", `${this.place}: ${text}`);
  }
}

const publicKeyOf = ({ type, point }: TokenKey): PublicKey =>
  type === "p256" ? esp256Key(point.subarray(0, 32), point.subarray(32)) : ed25519Key(point);
