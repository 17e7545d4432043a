/**
 * What a watcher's tests begin with: a log in which one device has opened one chain, and a watcher that has not looked yet.
 *
 * @module
 */
import { memoryPlace } from "./memory-place.ts";
import { WatchRig } from "./watch-rig.ts";
import { World } from "./world.ts";
import type { Chain, Device } from "./world-device.ts";
import { serveWorld, type WorldServer } from "./world-server.ts";

export const ISS = "water/gw-1";
export const STREAM = `${ISS}/meter/m-1`;

type Founded = { readonly world: World; readonly device: Device; readonly chain: Chain };

/** The same beginning at every run; what comes after it is the test's. */
export async function founded(): Promise<Founded> {
  const world = await World.create();
  const device = await world.enrol(ISS);
  const chain = device.chain("meter/m-1");
  await chain.open();
  await world.commit();
  return { world, device, chain };
}

export class WatchScene {
  readonly world: World;
  readonly device: Device;
  readonly chain: Chain;
  readonly rig: WatchRig;
  readonly servers: WorldServer[] = [];

  private constructor({ world, device, chain }: Founded) {
    this.world = world;
    this.device = device;
    this.chain = chain;
    this.rig = new WatchRig(world.policy(), world.timeUnixS);
  }

  static async begin(): Promise<WatchScene> {
    return new WatchScene(await founded());
  }

  /** Readings in batches of one; the watcher's clock goes along. */
  async grow(count = 1, one = this.chain): Promise<void> {
    for (let i = 0; i < count; i++) await one.readings(1);
    await one.device.world.commit();
    this.rig.now = Math.max(this.rig.now, one.device.world.timeUnixS);
  }

  place(of = this.world, name = "log"): ReturnType<typeof memoryPlace> {
    return memoryPlace(of.files(), name);
  }

  /** A log's server, until the test ends. */
  async served(...given: Parameters<typeof serveWorld>): Promise<WorldServer> {
    const server = await serveWorld(...given);
    this.servers.push(server);
    return server;
  }

  async end(): Promise<void> {
    this.rig.remove();
    for (const server of this.servers.splice(0)) await server.close();
  }
}
