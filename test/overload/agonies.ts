/**
 * What else can happen under load: programs are killed and started again, the anchor's disk is slow, the anchor's disk is full.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Dice } from "../support/dice.ts";
import { finding, WorldFault } from "../support/finding.ts";
import type { Seen } from "../support/fault-run.ts";
import type { Town } from "../support/town.ts";
import type { Fleet } from "./fleet.ts";

export type AgonyOptions = {
  /** Statements a second meanwhile. */
  readonly rate: number;
  readonly dice: Dice;
  readonly disk: boolean;
  readonly say: (what: string) => void;
};

const RESTARTS = ["anchor", "broker", "anchor"] as const;
const QUIET_MS = 2000;
/** Each sync of the slow disk takes so much longer. */
const SLOW_US = 50_000;
const SLOW_MS = 8000;
/** The disk is full from a call between these on. */
const FULL_FROM = { least: 20, most: 400 } as const;
/** Starts on the full disk; then somebody makes room. */
const STARTS_WHILE_FULL = 2;

type Scene = { readonly town: Town; readonly fleet: Fleet };

export async function agonies(scene: Scene, options: AgonyOptions): Promise<Seen> {
  scene.fleet.offer(options.rate);
  await restarts(scene, options);
  if (!options.disk) return { disks: "not tried: no strace" };
  const slow = await slowDisk(scene, options);
  const full = await fullDisk(scene, options);
  return { "receipted on a slow disk": slow, "ends on a full disk": full };
}

async function restarts({ town, fleet }: Scene, { dice, say }: AgonyOptions): Promise<void> {
  for (const name of RESTARTS) {
    say(`the ${name} is killed under load`);
    await delay(dice.whole(500, QUIET_MS));
    await town.kill(name);
    await delay(dice.whole(0, QUIET_MS / 2));
    await town.start(name);
    await flows(town, fleet);
  }
}

/** Every sync of the anchor waits: it takes less, and those who send have to wait. */
async function slowDisk({ town, fleet }: Scene, { say }: AgonyOptions): Promise<number> {
  say(`the anchor on a disk that takes ${SLOW_US / 1000} ms more for each sync`);
  await town.stop("anchor");
  town.launch("anchor", {
    under: straced(town, `fsync,fdatasync:delay_enter=${SLOW_US}`, "fsync,fdatasync"),
  });
  await town.ready("anchor");
  const from = fleet.counts.receipted;
  await delay(SLOW_MS);
  await flows(town, fleet);
  const receipted = fleet.counts.receipted - from;
  await town.stop("anchor");
  await town.start("anchor");
  return receipted;
}

/** From some call on there is no room: the anchor ends, and ends again however often it is started, until there is. */
async function fullDisk({ town, fleet }: Scene, { dice, say }: AgonyOptions): Promise<number> {
  await flows(town, fleet);
  await town.stop("anchor");
  const calls = "pwrite64,write";
  for (let start = 0; start <= STARTS_WHILE_FULL; start++) {
    const from = start === 0 ? dice.whole(FULL_FROM.least, FULL_FROM.most) : 1;
    say(`the anchor on a disk that is full from its ${from}. write on`);
    town.launch("anchor", { under: straced(town, `${calls}:error=ENOSPC:when=${from}+`, calls) });
    const { code, signal } = await overIn(town);
    if (code !== 1)
      throw new WorldFault([finding("F7", `on a full disk the anchor ended with ${signal ?? code}`)]);
  }
  await town.start("anchor");
  await flows(town, fleet);
  return STARTS_WHILE_FULL + 1;
}

const END_MS = 60_000;

async function overIn(town: Town): Promise<Awaited<ReturnType<Town["letEnd"]>>> {
  const overdue = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("on a full disk the anchor goes on")), END_MS).unref();
  });
  return Promise.race([town.letEnd("anchor"), overdue]);
}

/** Under strace, only where the database is concerned: elsewhere it would hit the runtime's own files. */
function straced(town: Town, inject: string, trace: string): readonly string[] {
  const database = ["anchor.db", "anchor.db-wal"].flatMap((name) => ["-P", town.path("anchor", name)]);
  const log = ["--quiet=attach", "-o", town.path("trace")];
  return [
    "strace",
    "-D",
    "-f",
    "--seccomp-bpf",
    ...log,
    ...database,
    "-e",
    `trace=${trace}`,
    "-e",
    `inject=${inject}`,
  ];
}

/** Resolves when receipts come again for what is sent from now on. */
async function flows(town: Town, fleet: Fleet): Promise<void> {
  const from = fleet.counts.receipted;
  await town.until("receipts come", () => fleet.counts.receipted > from + 100);
}
