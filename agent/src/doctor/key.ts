/**
 * The device's key: there, of the right kind, and nobody else's to read. One in hardware is asked for a signature, which shows that module, token and PIN are right.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { toHex } from "@tallystick/evidence";
import { fail, ok, systemTimer, unreadable, warn, type Finding } from "@tallystick/evidence/node";
import { openKeyStore, type KeyStore } from "../keys/store.ts";
import { signingKid } from "../seal/signing-key.ts";
import type { Patient } from "./patient.ts";

export async function keyFindings({ settings, record }: Patient): Promise<readonly Finding[]> {
  const { key, pkcs11 } = settings;
  const store = await openKeyStore(settings, { timer: systemTimer });
  const kid = record === undefined ? undefined : signingKid(record.meta, store.place);
  if (pkcs11 !== undefined) return [await tokenFinding(store, kid)];
  if (kid === undefined && !existsSync(key))
    return [
      unreadable("key", dirname(key)) ??
        fail(
          "key",
          `${key}: there is no key`,
          `tally-agent enrol INVITE makes one; by hand: tally-agent key make --key ${key}`,
        ),
    ];
  const signer = await store.open(kid); // says what is wrong with it
  return [ok("key", `in a file that only its owner reads, kid ${toHex(signer.key.kid)}`)];
}

async function tokenFinding(store: KeyStore, signing: Uint8Array | undefined): Promise<Finding> {
  try {
    const key = await store.open(signing);
    const startMs = performance.now();
    await key.sign(new Uint8Array(32));
    const tookMs = Math.ceil(performance.now() - startMs);
    const kid = toHex(key.key.kid);
    if (key.token === undefined) {
      const advice = "make one there: tally-agent key make, and enrol it";
      return warn("key", `${store.place}: the token would give this key out, kid ${kid}`, advice);
    }
    return ok("key", `in a ${key.token} (${store.place}), signs in ${tookMs} ms, kid ${kid}`);
  } finally {
    await store.close();
  }
}
