/**
 * Which machine this is, by what a copied disk image does not carry along: numbers of its board, processor and built-in network cards. They leave this
 * file as hashes only.
 *
 * `/etc/machine-id` is on the disk, so a copy has it too. It is used all the same: to have an answer where there is nothing better, and because the few
 * bits of a card's address alone could be guessed from its hash. On a disk that is written at the factory only, it changes with each start; hence where both sides know
 * hardware, that alone decides.
 *
 * @module
 */
import { hash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { concatBytes, encodeUtf8, equalBytes } from "@tallystick/evidence";

/** Where an id comes from: the board's serial number in the device tree, the board's UUID in DMI, the processor's serial, wired cards. */
const HARDWARE = ["device-tree", "dmi", "cpu", "network"] as const;
const SOURCES = [...HARDWARE, "machine-id"] as const;
type MachineSource = (typeof SOURCES)[number];

/** The digests of one source: one, or one for each network card. */
type Parts = Readonly<Partial<Record<MachineSource, readonly Uint8Array[]>>>;

export type Machine = {
  /** SHA-256 over all that was found; undefined where this machine has nothing to tell it by. */
  readonly hash: Uint8Array | undefined;
  /** What was found, the best first. */
  readonly sources: readonly MachineSource[];
  /** What is there, but not for this user: the UUID in DMI is root's. */
  readonly unreadable: readonly MachineSource[];
  /** True where something was found that a copied disk doesn't have. */
  readonly hardware: boolean;
  readonly parts: Parts;
};

const LABEL = "tallystick machine 1";

/** Longest id that is taken. */
const MAX_ID_CHARACTERS = 128;
/** Longest file that is read: /proc/cpuinfo has a kilobyte and more for each processor. */
const MAX_FILE_CHARACTERS = 1 << 20;

/** What makers leave where an id belongs: nothing but one digit, counted ones, words. */
const PLACEHOLDER =
  /^[0\W_]*$|^[fF\W_]*$|^0*123456789|^03000200-0400-0500-0006-000700080009$|to be filled|not (?:specified|available)|default string|system serial|^none$|^uninitialized$/i;

/**
 * Looks this machine over. Never throws: what can't be read isn't there, or is told as unreadable.
 *
 * @param root - the folder that has `proc`, `sys` and `etc`
 */
export function readMachine(root = "/"): Machine {
  const unreadable = new Set<MachineSource>();
  const text = (source: MachineSource, ...path: readonly string[]): string => {
    try {
      return readFileSync(join(root, ...path), "utf8").slice(0, MAX_FILE_CHARACTERS);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EACCES" || code === "EPERM") unreadable.add(source);
      return "";
    }
  };
  const found: Record<MachineSource, readonly string[]> = {
    "device-tree": [text("device-tree", "proc/device-tree/serial-number")],
    dmi: [text("dmi", "sys/class/dmi/id/product_uuid")],
    cpu: [/^Serial\s*:\s*(\S+)/m.exec(text("cpu", "proc/cpuinfo"))?.[1] ?? ""],
    network: cardsOf(join(root, "sys/class/net"), (...path) => text("network", "sys/class/net", ...path)),
    "machine-id": [text("machine-id", "etc/machine-id")],
  };
  const parts = Object.fromEntries(
    SOURCES.map((source) => [source, digests(source, found[source])] as const).filter(
      ([, some]) => some.length > 0,
    ),
  );
  return { ...machineOf(parts), unreadable: [...unreadable] };
}

/** A machine as it was found at another time. */
export function machineOf(parts: Parts): Omit<Machine, "unreadable"> {
  const sources = SOURCES.filter((source) => parts[source] !== undefined);
  const whole = sources.flatMap((source) => [encodeUtf8(`${source}\n`), ...(parts[source] ?? [])]);
  return {
    hash: sources.length === 0 ? undefined : sha256(encodeUtf8(`${LABEL}\n`), ...whole),
    sources,
    hardware: HARDWARE.some((source) => parts[source] !== undefined),
    parts,
  };
}

/**
 * True where both are one machine, as far as can be told: whatever hardware both know is the same, and they know some; where one of the two knows none,
 * both have the same machine-id. Of several network cards one in common will do: cards are added and replaced.
 *
 * A user who may not read one source still finds his machine by another.
 */
export function sameMachine(a: Parts, b: Parts): boolean {
  const isKnown = (source: MachineSource): boolean => a[source] !== undefined && b[source] !== undefined;
  const agree = (source: MachineSource): boolean =>
    a[source]?.some((one) => b[source]?.some((other) => equalBytes(one, other))) === true;
  const common = HARDWARE.filter(isKnown);
  if (common.length > 0) return common.every(agree);
  const bothHaveHardware = machineOf(a).hardware && machineOf(b).hardware;
  return !bothHaveHardware && agree("machine-id");
}

/** Permanent addresses of wired cards that are built in: neither made up, nor set by somebody, nor on a plug, nor of a radio that changes its own. */
function cardsOf(folder: string, text: (...path: readonly string[]) => string): readonly string[] {
  const ETHERNET = "1";
  const PERMANENT = "0";
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names
    .filter((name) => {
      const bus = linkName(join(folder, name, "device", "subsystem"));
      const isRadio = text(name, "uevent").includes("DEVTYPE=wlan");
      const isWired = text(name, "type").trim() === ETHERNET && !isRadio;
      return (
        isWired && bus !== undefined && bus !== "usb" && text(name, "addr_assign_type").trim() === PERMANENT
      );
    })
    .map((name) => text(name, "address"));
}

function linkName(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
}

function digests(source: MachineSource, values: readonly string[]): readonly Uint8Array[] {
  const ids = values
    .map((value) => value.replace(/\0.*$/s, "").trim().toLowerCase())
    .filter((id) => id !== "" && id.length <= MAX_ID_CHARACTERS && !PLACEHOLDER.test(id));
  return [...new Set(ids)].toSorted().map((id) => sha256(encodeUtf8(`${LABEL}\n${source}\n${id}`)));
}

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(hash("sha256", concatBytes(...parts), "buffer"));
