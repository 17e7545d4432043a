/**
 * Broker and anchor as real processes over TLS, with the broker's default limits: a place that is attacked, and those who live in it.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Signer } from "@tallystick/evidence";
import { loadSigner } from "@tallystick/evidence/node";
import { freePort } from "../support/loopback.ts";
import { makeKeyFile, Registrar } from "../support/registrar.ts";
import { selfSigned } from "../support/tls-files.ts";
import { Town } from "../support/town.ts";

/** Where the broker is, and whose keys lie where: all that an attacker's thread is told. */
export type Target = {
  readonly mqtts: string;
  readonly wss: string;
  /** Of the broker's certificate. */
  readonly pin: string;
  /** Key files by device. */
  readonly keys: Readonly<Record<string, string>>;
};

/** Devices by what they do here. */
export type Cast = {
  readonly honest: readonly string[];
  /** Enrolled, and in an attacker's hands. */
  readonly captured: readonly string[];
  /** Enrolled once, and revoked before anything begins. */
  readonly revoked: readonly string[];
};

const SERVICE_KINDS = ["up", "down", "state", "checkpoint"] as const;

export class Fortress {
  readonly town: Town;
  readonly target: Target;
  /** Of the service `watch`, which reads everything. */
  readonly watchSecret: string;

  private constructor(town: Town, target: Target, watchSecret: string) {
    this.town = town;
    this.target = target;
    this.watchSecret = watchSecret;
  }

  /** Runs `story` in a place of its own, and takes it down after it. */
  static async run(
    cast: Cast,
    story: (fortress: Fortress) => Promise<void>,
    withinMs: number,
  ): Promise<void> {
    const town = await Town.begin();
    try {
      await town.tell(async () => story(await Fortress.#begin(town, cast)), withinMs);
    } finally {
      await town.end();
    }
  }

  static async #begin(town: Town, { honest, captured, revoked }: Cast): Promise<Fortress> {
    const keys: Record<string, string> = {};
    const registrar = new Registrar(town.path("anchor"));
    mkdirSync(town.path("keys"));
    const devices = [...honest, ...captured, ...revoked];
    for (const iss of devices) {
      const file = town.path("keys", `${iss.replace("/", "-")}.pem`);
      await registrar.enrol(iss, makeKeyFile(file));
      keys[iss] = file;
    }
    const [anchorSecret, watchSecret] = [await secretOf(town), await secretOf(town)];
    const ports = { mqtts: await freePort(), wss: await freePort() };
    fortify(town, ports, { anchor: anchorSecret, watch: watchSecret });
    const pin = await pinnedBy(town, ports.mqtts, anchorSecret.secret);
    await town.start("broker");
    await town.start("anchor");
    await town.until("all are enrolled", async () => {
      return (await town.brokerMetric("registry_items")) === 1 + devices.length;
    });
    for (const iss of revoked) {
      const config = ["--config", town.configFile("anchor")];
      await town.programs.must("anchor", ["revoke", "--device", iss, ...config, "--wait"]);
    }
    await town.until("the broker has all of the registry", async () => {
      return (await town.brokerMetric("registry_items")) === 1 + devices.length + revoked.length;
    });
    const [mqtts, wss] = [`mqtts://127.0.0.1:${ports.mqtts}`, `wss://127.0.0.1:${ports.wss}`];
    return new Fortress(town, { mqtts, wss, pin, keys }, watchSecret.secret);
  }

  signer(iss: string): Signer {
    return loadSigner(this.target.keys[iss] ?? "");
  }
}

type Secret = { readonly secret: string; readonly hash: string };

const secretOf = async (town: Town): Promise<Secret> =>
  JSON.parse(await town.programs.must("broker", ["secret", "make", "--json"])) as Secret;

/** Writes the broker's configuration: on TLS alone, everything else as it is by default. */
function fortify(
  town: Town,
  ports: { readonly mqtts: number; readonly wss: number },
  { anchor, watch }: { readonly anchor: Secret; readonly watch: Secret },
): void {
  const config = {
    version: 1,
    data: town.path("broker"),
    registry: { from: town.publicFolder, policy: town.policyFile },
    listen: false,
    tls: {
      listen: { host: "127.0.0.1", port: ports.mqtts },
      webSocket: { host: "127.0.0.1", port: ports.wss },
      ...selfSigned(town.root, "broker"),
    },
    http: { port: 0 },
    services: [
      {
        id: "anchor",
        publish: ["down", "checkpoint"],
        subscribe: ["up", "checkpoint", "state"],
        whenSlow: "wait",
        secret: anchor.hash,
      },
      { id: "watch", subscribe: SERVICE_KINDS, secret: watch.hash },
    ],
  };
  writeFileSync(town.configFile("broker"), JSON.stringify(config));
}

/** The anchor speaks with the broker of this pin, and shows its secret. */
async function pinnedBy(town: Town, port: number, secret: string): Promise<string> {
  const { pinOf } = await import("@tallystick/evidence/node");
  const pin = pinOf(readFileSync(join(town.root, "broker.pem")));
  const passwordFile = town.path("anchor.password");
  writeFileSync(passwordFile, `${secret}\n`, { mode: 0o600 });
  const file = town.configFile("anchor");
  const config = JSON.parse(readFileSync(file, "utf8")) as object;
  const broker = { url: `mqtts://127.0.0.1:${port}`, tls: { pin }, passwordFile };
  writeFileSync(file, JSON.stringify({ ...config, broker }));
  return pin;
}
