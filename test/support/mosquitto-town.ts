/**
 * A town whose broker is Debian's Mosquitto, with the configuration that `tally-broker acl --mosquitto` makes, and certificates of an authority of its own.
 *
 * @module
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { toHex, type PublicKey } from "@tallystick/evidence";
import { publicKeyPem } from "@tallystick/evidence/node";
import type { Program } from "../../demo/program.ts";
import { freePort } from "./loopback.ts";
import { makeKeyFile } from "./registrar.ts";
import { authority, selfSigned, type TestCertificate } from "./tls-files.ts";
import { Town } from "./town.ts";

type Authority = ReturnType<typeof authority>;

export class MosquittoTown {
  readonly town: Town;
  readonly #certificates: string;
  readonly #authority: Authority;
  readonly #port: number;
  #mosquitto: ChildProcess | undefined;
  #follower: Program | undefined;

  private constructor(town: Town, certificates: string, signed: Authority, port: number) {
    this.town = town;
    this.#certificates = certificates;
    this.#authority = signed;
    this.#port = port;
  }

  /** Everything is configured, and nothing runs yet. With `invites` the anchor is open to strangers as well, over TLS, and sends them here. */
  static async begin({ invites = false } = {}): Promise<MosquittoTown> {
    const certificates = mkdtempSync(join(tmpdir(), "tallystick-certificates-"));
    const signed = authority(certificates);
    const port = await freePort();
    const url = `mqtts://127.0.0.1:${port}`;
    const { cert, key } = signed.issue("anchor", "anchor");
    const server = signed.issue("server", "localhost");
    const open = invites && {
      public: { listen: `127.0.0.1:${await freePort()}`, tls: selfSigned(certificates, "desk") },
      enrolment: { broker: { url, cert: server.cert } },
    };
    const town = await Town.begin({
      anchor: { broker: { url, tls: { ca: signed.ca, cert, key } }, ...open },
    });
    const made = new MosquittoTown(town, certificates, signed, port);
    made.#writeBrokerConfig(server);
    return made;
  }

  get url(): string {
    return `mqtts://127.0.0.1:${this.#port}`;
  }

  /** Where Mosquitto's files are. */
  get folder(): string {
    return this.town.path("mosquitto");
  }

  /** Runs `tally-broker acl --mosquitto`, and returns what it said. */
  async makeFiles(): Promise<{ readonly made: boolean; readonly devices: number }> {
    mkdirSync(this.folder, { recursive: true });
    const said = await this.town.programs.must("broker", [...this.#command, "--json"]);
    // In a container the tests may be root, and the town's folder is nobody else's: Mosquitto would become another user.
    if (process.getuid?.() === 0) appendFileSync(join(this.folder, "mosquitto.conf"), "\nuser root\n");
    return JSON.parse(said) as { made: boolean; devices: number };
  }

  /** Starts Mosquitto; resolves when it takes connections. */
  async start(): Promise<void> {
    const log = openSync(this.town.path("log", "mosquitto.log"), "a");
    // It ends with us, however we end.
    const command = ["--pdeathsig", "KILL", "mosquitto", "-c", join(this.folder, "mosquitto.conf")];
    this.#mosquitto = spawn("setpriv", command, { stdio: ["ignore", log, log] });
    await this.town.until("Mosquitto listens", async () => {
      if (this.#mosquitto?.exitCode !== null) throw new Error("Mosquitto ended");
      const socket = connectTcp(this.#port, "127.0.0.1");
      const open = await Promise.race([
        once(socket, "connect").then(() => true),
        new Promise<false>((resolve) => void socket.once("error", () => resolve(false))),
      ]);
      socket.destroy();
      return open;
    });
  }

  async kill(): Promise<void> {
    const child = this.#mosquitto;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  /** Starts `acl --follow`; resolves when Mosquitto is as the registry says. */
  async follow(): Promise<void> {
    this.#follower = this.town.programs.start("broker", [...this.#command, "--follow"], {}, { label: "acl" });
    await this.#follower.ready();
  }

  async stopFollowing(): Promise<void> {
    await this.#follower?.kill();
  }

  async end(): Promise<void> {
    await this.kill();
    await this.town.end();
    rmSync(this.#certificates, { recursive: true, force: true });
  }

  /** The operator's word about a device's key; resolves when the anchor has taken it in, and it is published. */
  async enrol(iss: string, { publicFile }: DeviceKey): Promise<void> {
    await this.#operator("enrol", "--device", iss, "--key", publicFile, "--streams", "*");
  }

  async revoke({ made }: DeviceKey): Promise<void> {
    await this.#operator("revoke", "--kid", toHex(made.kid));
  }

  async reEnrol(iss: string, { publicFile }: DeviceKey): Promise<void> {
    await this.#operator("re-enrol", "--device", iss, "--key", publicFile, "--reason", "key lost");
  }

  /** Resolves with the moment (of `performance`) at which the next registry item is published. */
  async nextItem(): Promise<number> {
    const items = async (): Promise<number> => {
      const answer = await fetch(`${this.town.anchorUrl}/items?from=0`);
      return (await answer.arrayBuffer()).byteLength;
    };
    const before = await items();
    await this.town.until("the next item is published", async () => (await items()) > before);
    return performance.now();
  }

  async #operator(...command: readonly string[]): Promise<void> {
    await this.anchor(...command, "--wait");
  }

  /** A command of the anchor's that has to succeed; what it said. */
  anchor(...command: readonly string[]): Promise<string> {
    return this.town.programs.must("anchor", [...command, "--config", this.town.configFile("anchor")]);
  }

  /** Makes a key for a device, and a certificate for that very key. Not enrolled yet. */
  deviceKey(name: string): DeviceKey {
    const key = join(this.#certificates, `${name}.key`);
    const made = makeKeyFile(key);
    const publicFile = `${key}.pub`;
    writeFileSync(publicFile, publicKeyPem(made));
    const cert = this.#authority.certify(name, toHex(made.kid), publicFile);
    return { key, made, publicFile, cert, ca: this.#authority.ca };
  }

  /** A certificate for a public key that stands in a file, after whatever text: as a device or the registry shows it, its id first. */
  certify(name: string, shown: string): string {
    const kid = /^kid ([0-9a-f]+)$/m.exec(shown)?.[1];
    if (kid === undefined) throw new Error(`no key's id in: ${shown}`);
    const publicFile = join(this.#certificates, `${name}.pub`);
    writeFileSync(publicFile, shown);
    return this.#authority.certify(name, kid, publicFile);
  }

  /** A certificate of the same authority for whatever common name. */
  issue(name: string, commonName = name): Required<Files> {
    return { ...this.#authority.issue(name, commonName), ca: this.#authority.ca };
  }

  /** What Mosquitto calls a device. */
  nameOf({ made }: DeviceKey): string {
    return toHex(made.kid);
  }

  /** A client of the test's own, with a certificate. */
  async client(
    { ca, cert, key }: Files,
    options: IClientOptions = {},
    onMessage: (topic: string) => void = () => {},
  ): Promise<MqttClient> {
    const own = cert !== undefined &&
      key !== undefined && { cert: readFileSync(cert), key: readFileSync(key) };
    const files = { ca: readFileSync(ca), ...own };
    const always = { protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 5000, clientId: "any" } as const;
    const client = mqtt.connect(this.url, { ...always, ...files, ...options });
    client.on("message", onMessage); // a session's messages come at once
    await new Promise((resolve, reject) => {
      client
        .once("connect", resolve)
        .once("error", reject)
        .once("close", () => reject(new Error("closed")));
    });
    client.on("error", () => {});
    return client;
  }

  get #command(): readonly string[] {
    return ["acl", "--mosquitto", "--config", this.town.configFile("broker"), "--out", this.folder];
  }

  #writeBrokerConfig({ cert, key }: TestCertificate): void {
    const config = {
      version: 1,
      tls: { listen: { host: "127.0.0.1", port: this.#port }, cert, key, clientCa: this.#authority.ca },
      registry: { from: this.town.publicFolder, policy: this.town.policyFile, pollMs: 200 },
      services: [
        { id: "anchor", publish: ["down", "checkpoint"], subscribe: ["up", "checkpoint", "state"] },
        { id: "sender", publish: ["down"] },
        { id: "bridge", publish: ["up"], subscribe: ["down"] },
        { id: "monitor", subscribe: ["up", "state", "checkpoint"] },
      ],
    };
    writeFileSync(this.town.configFile("broker"), JSON.stringify(config));
  }
}

/** With what a client shows who it is, and knows the broker. */
export type Files = Partial<TestCertificate> & { readonly ca: string };

/** A device's key, and a certificate that says so. */
export type DeviceKey = Required<Files> & { readonly made: PublicKey; readonly publicFile: string };
