/**
 * Which key of the registry a command means.
 *
 * @module
 */
import { EvidenceError, toHex, type KeyRecord, type KeyState } from "@tallystick/evidence";
import { UsageError } from "@tallystick/evidence/node";

/** Fewest digits by which a key may be named. */
const LEAST_DIGITS = 8;

/** The key that begins with these hexadecimal digits. @throws UsageError; EvidenceError `key-unknown` */
export function keyNamed(state: KeyState, digits: string): KeyRecord {
  if (!/^[0-9a-f]{8,64}$/.test(digits))
    throw new UsageError(`${digits}: a key is named by ${LEAST_DIGITS} to 64 hexadecimal digits of its kid`);
  const [found, ...others] = state
    .records()
    .filter(({ kid }) => toHex(kid).startsWith(digits))
    .toArray();
  if (found === undefined) throw new EvidenceError("key-unknown", `${digits}: no such key in the registry`);
  if (others.length > 0) throw new UsageError(`${digits}: several keys begin so; give more digits`);
  return found;
}

/** The key that a device signs with now. @throws EvidenceError `key-unknown` */
export function keyOfDevice(state: KeyState, device: string): KeyRecord {
  const found = state.current(device);
  if (found === undefined) throw new EvidenceError("key-unknown", `${device}: no device of this registry`);
  return found;
}
