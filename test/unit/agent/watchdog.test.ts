/** What the agent answers for: as long as what it seals gets signed and its rounds come in time, and no longer. On a test's own time. */
import { describe, expect, test } from "vitest";
import { nobleSigner } from "@tallystick/evidence";
import { ServiceManager } from "@tallystick/evidence/node";
import type { AgentParts } from "../../../agent/src/agent.ts";
import { SigningKeys } from "../../../agent/src/seal/signing-key.ts";
import { BUILD, FakeSystemTime, observation, Rig } from "../../support/agent-rig.ts";

const BEAT_MS = 60_000;

class Watched {
  readonly rig = new Rig();
  #beats = 0;

  async start(changes: Partial<AgentParts> = {}): Promise<void> {
    const tell = async (word: string): Promise<void> => void (this.#beats += word === "WATCHDOG=1" ? 1 : 0);
    const manager = new ServiceManager(tell, BEAT_MS, this.rig.time);
    await this.rig.start({ answerTo: (answers) => manager.watch(answers), ...changes });
  }

  /** How often the agent said in so many minutes that it lives. */
  async beatsIn(minutes: number): Promise<number> {
    const before = this.#beats;
    await this.rig.time.advance(minutes * BEAT_MS);
    return this.#beats - before;
  }
}

describe("the agent lives", () => {
  test("while no broker is there and no source says anything", async () => {
    const watched = new Watched();
    await watched.start();
    expect(await watched.beatsIn(30)).toBe(30);
  });

  test("not while a key signs nothing", async () => {
    const watched = new Watched();
    const signer = nobleSigner(new Uint8Array(32).fill(9));
    let isHanging = false;
    const sign = (message: Uint8Array): Promise<Uint8Array> =>
      isHanging ? new Promise(() => {}) : signer.sign(message);
    await watched.start({ signing: new SigningKeys({ ...signer, sign }) });
    expect(await watched.beatsIn(2)).toBe(2);
    isHanging = true;
    watched.rig.source.push(observation(1));
    await watched.beatsIn(2); // it is sealed within a minute
    expect(await watched.beatsIn(10)).toBe(0);
    watched.rig.crash();
  });

  test("not while the rounds of housekeeping don't come", async () => {
    const watched = new Watched();
    const source = new FakeSystemTime(watched.rig.time);
    await watched.start({
      clock: { monotonicMs: watched.rig.time.monotonicMs, buildUnixMs: BUILD, source },
    });
    expect(await watched.beatsIn(2)).toBe(2);
    Object.assign(source, { synchronised: () => new Promise(() => {}) });
    await watched.beatsIn(6);
    expect(await watched.beatsIn(10)).toBe(0);
    watched.rig.crash();
  });
});
