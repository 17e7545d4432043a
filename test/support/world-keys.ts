/**
 * A world's registry as a broker follows it, without the way there.
 *
 * @module
 */
import { toHex, type KeyRecord, type KeyState } from "@tallystick/evidence";
import type { KeySource } from "../../broker/src/access/authenticate.ts";
import type { Device } from "./world-device.ts";
import { signerOf, World } from "./world.ts";

export class WorldKeys implements KeySource {
  readonly world: World;
  readonly #listeners = new Set<() => void>();
  #keys: KeyState | undefined;

  constructor(world: World) {
    this.world = world;
  }

  /** A world with these devices, and its registry. */
  static async of(...devices: readonly string[]): Promise<WorldKeys> {
    const world = await World.create();
    for (const iss of devices) await world.enrol(iss);
    const keys = new WorldKeys(world);
    keys.publish();
    return keys;
  }

  /** Whatever was registered so far is known from now on. */
  publish(): void {
    this.#keys = this.world.keyState(this.world.entries.length);
    for (const listener of this.#listeners) listener();
  }

  /** As if nothing had been read yet. */
  forget(): void {
    this.#keys = undefined;
  }

  keys(): KeyState | undefined {
    return this.#keys;
  }

  device(iss: string): KeyRecord | undefined {
    const record = this.#keys?.current(iss);
    return record?.revoked === null ? record : undefined;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  ageMs(): number {
    return 1500;
  }

  /** The device that was enrolled under this name. */
  named(iss: string): Device {
    const device = this.world.devices.find((one) => one.iss === iss);
    if (device === undefined) throw new Error(`${iss} is not enrolled`);
    return device;
  }

  async revoke(iss: string): Promise<void> {
    const kid = this.named(iss).signer.key.kid;
    await this.world.register({ kind: "revoke", kid, from: this.world.entries.length });
    this.publish();
  }

  /** Gives the signer of the new key. */
  async reEnrol(iss: string): Promise<ReturnType<typeof signerOf>> {
    const signer = signerOf(`${iss} after ${toHex(this.named(iss).signer.key.kid)}`);
    const { key } = signer;
    const enrolled = { device: iss, key, streams: ["*"], silenceS: 900, reason: "another card" };
    await this.world.register({ kind: "re-enrol", ...enrolled });
    this.publish();
    return signer;
  }
}
