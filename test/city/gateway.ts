/**
 * A gateway of the city: it reads its meters, seals each hour, and says each hour how far its streams are. What goes wrong with it as a whole are its twists.
 *
 * @module
 */
import { SYSTEM_STREAM, type Statement } from "@tallystick/evidence";
import { localTime } from "./calendar.ts";
import { VERSION, type Device } from "./device.ts";
import { SEALED_AFTER_S, type Meter } from "./meter.ts";
import type { Post } from "./post.ts";

/** Longest silence allowed by the enrolments: three heartbeats of an hour. */
export const SILENCE_S = 3 * 3600;

/** The first gateways have one meter each: what happens to such a gateway as a whole is found at one meter. */
export const ALONE = 6;

/** What may happen to a gateway; the hour is the one that ends now. */
export type GatewayTwist = {
  /** Before anything of this hour is sealed. */
  readonly before?: (hourUnixS: number) => Promise<void>;
  /** True in an hour in which it does nothing at all. */
  readonly off?: (hourUnixS: number) => boolean;
  /** After the hour's heads. */
  readonly afterwards?: (hourUnixS: number) => Promise<void>;
};

export class Gateway {
  readonly device: Device;
  readonly meters: Meter[] = [];
  readonly twists: GatewayTwist[] = [];
  readonly post: Post;

  constructor(device: Device, post: Post) {
    this.device = device;
    this.post = post;
  }

  async open(atUnixS: number): Promise<void> {
    this.send(await this.device.openSystem(atUnixS), atUnixS);
    this.send(await this.device.boot(VERSION, atUnixS), atUnixS);
    for (const meter of this.meters) if (meter.running) await meter.open(atUnixS);
  }

  async hour(hourUnixS: number): Promise<void> {
    for (const { before } of this.twists) await before?.(hourUnixS);
    if (this.twists.some(({ off }) => off?.(hourUnixS) === true)) {
      for (const meter of this.meters) meter.read(hourUnixS);
      return;
    }
    for (const meter of this.meters) await meter.hour(hourUnixS);
    const all = localTime(hourUnixS).hour === "00";
    this.send(await this.device.heads(all, hourUnixS + SEALED_AFTER_S), hourUnixS);
    for (const { afterwards } of this.twists) await afterwards?.(hourUnixS);
  }

  send(statement: Statement, dueUnixS: number): void {
    this.post.send(statement, dueUnixS);
  }

  /** Says something of itself. */
  async tell(...[event, atUnixS]: [Parameters<Device["tell"]>[1], number]): Promise<void> {
    this.send(await this.device.tell(SYSTEM_STREAM, event, atUnixS), atUnixS);
  }
}
