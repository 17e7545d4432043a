/**
 * States of disks that come back: a restored card, a copied one, a backup of the anchor. What is promised then is less, and said here: a device that was set back
 * forks its own chains, which the log refuses; an older anchor must stop before it signs.
 *
 * @module
 */
import { CHECKPOINT_TOPIC } from "@tallystick/evidence";
import { PUBLIC } from "./ledger-node.ts";
import type { Random } from "./random.ts";
import type { Town } from "./town.ts";

/** How long an older anchor may take to find out, once it can. */
const LOOK_MS = 1000;

/** Takes a copy now, and puts it back later. */
export function setBackDevice({ world, devices, endMs }: Town, random: Random): void {
  const device = random.pick(devices);
  const content = device.store.copy();
  const waitMs = random.between(0, endMs - world.schedule.nowMs);
  world.schedule.after(waitMs, `${device.name}: set back`, () => {
    device.tainted = true;
    device.replaceDisk(content);
    device.start();
  });
}

/** A second device under the same name, from the same state, at the same time. */
export function copyDevice({ world, devices, copies, tickMs, endMs }: Town, random: Random): void {
  const device = random.pick(devices);
  if (!device.store.hasTables) return;
  device.tainted = true;
  const copy = device.twin(`${device.name}-copy${copies.length + 1}`);
  copies.push(copy);
  copy.tainted = true;
  copy.start();
  const tick = (): void => {
    if (world.schedule.nowMs > endMs) return;
    for (const meter of copy.meters.values()) meter.tick();
    world.schedule.after(tickMs * random.between(0.5, 1.5), `${copy.name}: telegram`, tick);
  };
  tick();
}

/** An empty disk; the mark beside the database is there, so that new chains say that the old ones are lost. */
export function loseDatabase({ devices }: Town, random: Random): void {
  const device = random.pick(devices);
  if (!device.store.hasTables) return;
  device.tainted = true;
  device.replaceDisk(undefined);
  device.start();
}

/** The anchor's database as it was a while ago. Somebody still has the newest note: the public folder, or the broker. */
export function setBackAnchor(town: Town, random: Random): void {
  const { world, node, endMs } = town;
  const old = { db: node.store.copy(), files: node.files.copy() };
  const waitMs = random.between(0, endMs - world.schedule.nowMs);
  world.schedule.after(waitMs, "anchor: set back", () => {
    if (node.mustStop) return;
    node.kill({ restarts: false });
    const newest = { db: node.store.copy(), files: node.files.copy() };
    const choice = random.pick(["folder kept", "folder old", "folder gone"]);
    const inFolder = choice === "folder kept" ? sizeOf(newest.files.get(`${PUBLIC}/checkpoint`)) : 0;
    const known = Math.max(inFolder, sizeOf(world.broker.retained(CHECKPOINT_TOPIC)));
    node.store.replace(old.db);
    if (known <= node.storedSize) {
      node.store.replace(newest.db); // nobody knows better: that is what nothing can notice
      return node.start();
    }
    world.note(() => `the anchor is set back to ${node.storedSize}, ${choice}; a note of ${known} is about`);
    world.witness.faults.set("an older anchor", (world.witness.faults.get("an older anchor") ?? 0) + 1);
    if (choice === "folder old") node.files.replace(old.files);
    if (choice === "folder gone") node.files.clear();
    node.mustStop = true;
    node.stoppedWith = undefined;
    node.start();
    const look = (): void => {
      if (node.running || node.stoppedWith === undefined) {
        world.schedule.after(LOOK_MS, "operator: looks after the anchor", look);
        return;
      }
      node.mustStop = false;
      node.store.replace(newest.db);
      node.files.replace(newest.files);
      node.start();
    };
    look();
  });
}

const sizeOf = (note: Uint8Array | undefined): number =>
  note === undefined ? 0 : Number(new TextDecoder().decode(note).split("\n")[1] ?? 0);
