/**
 * A log that is opened again after its process died at any moment: what it finds published is there to stay before anything relies on it.
 *
 * @module
 */
import { expect, test } from "vitest";
import { resumeLog } from "../../../anchor/src/log/open-log.ts";
import { foundedLogs } from "../../simulation/founding.ts";
import { Signatures } from "../../simulation/keys.ts";
import { Life } from "../../simulation/life.ts";
import { Random } from "../../simulation/random.ts";
import { Schedule } from "../../simulation/schedule.ts";
import { Store } from "../../simulation/sim-database.ts";
import { SimFiles } from "../../simulation/sim-disk.ts";
import { LOG_KEY, ORIGIN } from "../../simulation/world.ts";

test.for([...Array(90).keys()])("a checkpoint is there to stay (after %i effects)", async (effects) => {
  const schedule = new Schedule(new Random(effects));
  const files = new SimFiles(new Random(effects));
  const { young } = await foundedLogs();
  const store = new Store(
    () => {},
    () => {},
    young,
  );
  const signatures = new Signatures();
  const open = async (life: Life): Promise<void> => {
    const opening = resumeLog({
      db: store.open(life),
      log: { origin: ORIGIN, signer: signatures.signer(LOG_KEY, life, () => 1) },
      folder: "/public",
      disk: files.open(life),
      maxForks: 0,
      provider: signatures.provider,
      nowUnixS: () => 0,
    });
    opening.catch(() => {});
    await schedule.run(schedule.nowMs + 1000);
    if (life.alive) await opening;
  };
  const first = new Life("first", schedule, () => {});
  first.dieAfter(effects);
  await open(first);
  first.end();
  await open(new Life("second", schedule, () => {}));
  expect(files.isDurable("/public/checkpoint")).toBe(true);
  store.close();
});
