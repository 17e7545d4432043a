/**
 * A device's line to the broker in a test's hands: sends whatever the test likes, and collects what comes down.
 *
 * @module
 */
import { connectAsync, type MqttClient } from "mqtt";
import {
  CHECKPOINT_TOPIC,
  decodeDown,
  downTopic,
  toHex,
  upTopic,
  type DownMessage,
} from "@tallystick/evidence";

export class DeviceWire {
  readonly iss: string;
  /** What came down so far. */
  readonly messages: DownMessage[] = [];
  /** The newest checkpoint that came. */
  checkpoint: string | undefined;
  readonly #client: MqttClient;

  private constructor(iss: string, client: MqttClient) {
    this.iss = iss;
    this.#client = client;
    client.on("error", () => {});
  }

  /** Connects as this device, and subscribes to what comes down to it. */
  static async connect(url: string, iss: string): Promise<DeviceWire> {
    const client = await connectAsync(url, { clientId: iss, protocolVersion: 4, reconnectPeriod: 0 });
    const wire = new DeviceWire(iss, client);
    client.on("message", (topic, payload) => {
      if (topic === downTopic(iss)) wire.messages.push(...decodeDown(new Uint8Array(payload)));
      if (topic === CHECKPOINT_TOPIC) wire.checkpoint = payload.toString();
    });
    await client.subscribeAsync(downTopic(iss), { qos: 1 });
    return wire;
  }

  get connected(): boolean {
    return this.#client.connected;
  }

  /** Publishes to the `up` topic of `iss`, by default its own; resolves when the broker has acknowledged it. */
  async up(payload: Uint8Array, iss = this.iss): Promise<void> {
    await this.#client.publishAsync(upTopic(iss), Buffer.from(payload), { qos: 1 });
  }

  /** As {@link up}, for what will not be acknowledged; resolves when the broker has cut the line. */
  async upAndCutOff(payload: Uint8Array, iss = this.iss): Promise<void> {
    const cut = new Promise<void>((resolve) => {
      this.#client.once("close", () => resolve());
    });
    this.#client.publish(upTopic(iss), Buffer.from(payload), { qos: 1 });
    await cut;
  }

  /** True once a receipt for the statement of this hash came. */
  hasReceipt(hash: Uint8Array): boolean {
    return this.messages.some(
      (message) => message.kind === "receipt" && message.hashes.some((one) => toHex(one) === toHex(hash)),
    );
  }

  /** Codes with which this hash was refused. */
  refusals(hash: Uint8Array): readonly string[] {
    return this.messages.flatMap((message) =>
      message.kind === "rejected" && toHex(message.hash) === toHex(hash) ? [message.code] : [],
    );
  }

  /** Subscribes to checkpoints: the one that the broker retains will be {@link checkpoint}. */
  async watchCheckpoint(): Promise<void> {
    await this.#client.subscribeAsync(CHECKPOINT_TOPIC, { qos: 1 });
  }

  end(): void {
    this.#client.end(true);
  }
}
