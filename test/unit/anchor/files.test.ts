/**
 * The log's files on a disk that forgets what wasn't synced.
 *
 * @module
 */
import { expect, test } from "vitest";
import { machineDisk, type Disk } from "@tallystick/evidence/node";
import { foldersOn, removeFolders, writeFiles } from "../../../anchor/src/storage/files.ts";
import { Life, PowerCut } from "../../simulation/life.ts";
import { Random } from "../../simulation/random.ts";
import { Schedule } from "../../simulation/schedule.ts";
import { SimFiles } from "../../simulation/sim-disk.ts";

const FILE = { path: "tile/0/001.p/1", bytes: new Uint8Array(32).fill(1) };

test.for([...Array(40).keys()])(
  "what is written is there to stay, wherever an earlier process died (after %i effects)",
  async (effects) => {
    const schedule = new Schedule(new Random(effects));
    const files = new SimFiles(new Random(effects));
    const write = async (life: Life): Promise<void> => {
      const written = writeFiles("/public", [FILE], foldersOn(files.open(life)));
      written.catch(() => {});
      await schedule.run(schedule.nowMs + 1000);
      await written;
    };
    const first = new Life("first", schedule, () => {});
    first.dieAfter(effects);
    try {
      await write(first);
    } catch (error) {
      expect(first.alive).toBe(false);
      expect(error).toHaveProperty("cause", expect.any(PowerCut));
    }
    await write(new Life("second", schedule, () => {}));
    expect(files.isDurable(`/public/${FILE.path}`)).toBe(true);
    files.powerCut();
    expect(files.read(`/public/${FILE.path}`)).toEqual(FILE.bytes);
  },
);

test("a folder that can't be removed stays, and ends nothing", async () => {
  const removed: string[] = [];
  const disk: Disk = {
    ...machineDisk,
    remove: async (path) => {
      if (path.endsWith("/held")) throw Object.assign(new Error("not empty"), { code: "ENOTEMPTY" });
      removed.push(path);
      await Promise.resolve();
    },
  };
  await removeFolders("/public", ["one", "held", "two"], disk);
  expect(removed.toSorted()).toEqual(["/public/one", "/public/two"]);
});
