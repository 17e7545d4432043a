/**
 * Enrolling the anchor's own device: its key is made here; the registry item is signed here where the operator's key is, and elsewhere where that is.
 *
 * @module
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { equalBytes, EvidenceError, type PublicKey } from "@tallystick/evidence";
import {
  createKeyFile,
  loadSigner,
  publicKeyPem,
  readPublicKeyFile,
  writeDurable,
} from "@tallystick/evidence/node";
import { placesOf, type Config } from "../config.ts";
import { PublishedRegistry } from "../registry/published-registry.ts";
import { mustActFor, sealItem, submit, type Submitted } from "../registry/submit.ts";
import { ACCESS_STREAM, OWN_SILENCE_S, ownName } from "./own-device.ts";

/** Its name and key, and the item that enrols it, where that had to be made now. */
export type OwnDevice = { readonly iss: string; readonly key: PublicKey; readonly submitted?: Submitted };

/**
 * Sees to it that the anchor has a device of its own: makes what is missing.
 *
 * @throws EvidenceError `key-not-enrolled` where the item has to be made by an operator elsewhere, which the message tells how; `key-mismatch` where another key is enrolled;
 *   `key-unknown`, `operator-org` where the operator's key here may not enrol it; a code of key files or of the registry
 */
export async function ensureOwn(config: Config, nowUnixS: () => number): Promise<OwnDevice> {
  const { public: folder, inbox, anchorKey, operatorKey } = placesOf(config);
  const registry = await PublishedRegistry.read(folder);
  await registry.addWaiting(inbox);
  const iss = ownName(config.trail, registry.operators[0]);
  const key = keyIn(anchorKey);
  const current = registry.keyState().current(iss);
  if (current !== undefined) {
    if (current.revoked === null && equalBytes(current.kid, key.kid)) return { iss, key };
    const fix = `tally-anchor re-enrol --device ${iss} --key ${anchorKey} --reason TEXT`;
    throw new EvidenceError(
      "key-mismatch",
      `${anchorKey}: not the key that ${iss} is enrolled with: put that one back, or ${fix}`,
    );
  }
  if (!existsSync(operatorKey)) {
    const file = `${anchorKey.replace(/\.pem$/, "")}.pub.pem`;
    await writeDurable(file, publicKeyPem(key), { mode: 0o644 });
    const days = `${OWN_SILENCE_S / 86_400}d`;
    throw new EvidenceError(
      "key-not-enrolled",
      `${iss}, the anchor's own device, has to be enrolled by an operator, whose key is not at ${operatorKey}. With a copy of ${file} and of ${folder}: ` +
        `tally-anchor enrol --device ${iss} --key ${file} --streams ${ACCESS_STREAM} --silence ${days} --operator KEYFILE --registry DIR -o ITEM; then bring ITEM into ${inbox}`,
    );
  }
  const signer = loadSigner(operatorKey);
  const make = (now: PublishedRegistry) => {
    mustActFor(now.mustKnow(signer.key, operatorKey), iss);
    const item = {
      kind: "enrol",
      device: iss,
      key,
      streams: [ACCESS_STREAM],
      silenceS: OWN_SILENCE_S,
    } as const;
    return sealItem(item, now, signer, nowUnixS());
  };
  return { iss, key, submitted: await submit(make, () => PublishedRegistry.read(folder), inbox) };
}

function keyIn(path: string): PublicKey {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return existsSync(path) ? readPublicKeyFile(path) : createKeyFile(path);
}
