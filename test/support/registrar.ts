/**
 * The operator of a test's log: enrols devices as `tally-anchor enrol` does, without a process for each.
 *
 * @module
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeItem, sealStatement, type PublicKey } from "@tallystick/evidence";
import { loadSigner, nodeSha256 } from "@tallystick/evidence/node";

const OPERATOR = "city/operator";
const IAT_UNIX_S = 1_790_000_000;
const SILENCE_S = 900;

export class Registrar {
  readonly #data: string;
  #items = 1;
  #last: Uint8Array;

  /** @param data - the data folder of an anchor that holds nothing but its policy yet */
  constructor(data: string) {
    this.#data = data;
    // Item 0 is entry 0: the one entry, behind its length, in the first partial bundle.
    const bundle = readFileSync(join(data, "public", "tile", "entries", "000.p", "1"));
    this.#last = new Uint8Array(bundle).slice(2);
  }

  /** Registry items so far. */
  get items(): number {
    return this.#items;
  }

  /** Puts an enrolment for all streams into the inbox; returns its file. */
  async enrol(device: string, key: PublicKey): Promise<string> {
    const operator = loadSigner(join(this.#data, "keys", "operator.pem"));
    const seq = this.#items;
    const base = { iss: OPERATOR, sub: "registry", iat: IAT_UNIX_S, tq: 2, lvl: 1 } as const;
    const claims = { ...base, seq, prev: this.#last };
    const payload = encodeItem({ kind: "enrol", device, key, streams: ["*"], silenceS: SILENCE_S });
    const { bytes, hash } = await sealStatement(claims, { type: "registry", payload }, operator, nodeSha256);
    const name = `${String(seq).padStart(9, "0")}.cose`;
    const inbox = join(this.#data, "inbox");
    mkdirSync(inbox, { recursive: true, mode: 0o700 });
    const file = join(inbox, name);
    writeFileSync(join(inbox, `.${name}`), bytes);
    renameSync(join(inbox, `.${name}`), file);
    this.#items += 1;
    this.#last = hash;
    return file;
  }
}

/** Makes a device's key file, as `tally-agent key make` does. */
export function makeKeyFile(path: string): PublicKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  return loadSigner(path).key;
}
