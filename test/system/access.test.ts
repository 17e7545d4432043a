/**
 * Who may speak, from the first line to the last word, over TLS: an invite, a device that enrols and runs, its key revoked: the live connection ends, what it signs from then on is refused; and enrolled
 * anew, it speaks again. The device, the broker and the anchor are the real programs, and nobody listens without TLS.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";
import { pinOf } from "@tallystick/evidence/node";
import { mainOf } from "../../demo/program.ts";
import type { Report } from "../../agent/src/commands/report.ts";
import { freePort } from "../support/loopback.ts";
import { selfSigned } from "../support/tls-files.ts";
import { Town, type TownSettings } from "../support/town.ts";

/** A revocation reaches the broker with its next look at the registry, every half second: within 2 s, and on a busy machine a little later. */
const DROPPED_WITHIN_MS = 4000;

/** A town in which everybody shows who he is, over TLS. */
async function secured(folder: string): Promise<TownSettings> {
  const [anchorPort, brokerPort] = [await freePort(), await freePort()];
  const [anchorTls, brokerTls] = [selfSigned(folder, "anchor"), selfSigned(folder, "broker")];
  const made = execFileSync(process.execPath, [mainOf("broker"), "secret", "make", "--json"], {
    encoding: "utf8",
  });
  const { secret, hash } = JSON.parse(made) as { secret: string; hash: string };
  const passwordFile = join(folder, "anchor.password");
  writeFileSync(passwordFile, `${secret}\n`, { mode: 0o600 });
  const url = `mqtts://127.0.0.1:${brokerPort}`;
  const pin = pinOf(readFileSync(brokerTls.cert));
  const anchorUrl = `https://127.0.0.1:${anchorPort}`;
  return {
    broker: {
      data: join(folder, "broker"),
      listen: false,
      tls: { listen: { host: "127.0.0.1", port: brokerPort }, ...brokerTls },
      registry: {
        from: anchorUrl,
        policy: join(folder, "policy.txt"),
        pin: pinOf(readFileSync(anchorTls.cert)),
      },
      services: [
        {
          id: "anchor",
          publish: ["down", "checkpoint"],
          subscribe: ["up", "checkpoint"],
          whenSlow: "wait",
          secret: hash,
        },
      ],
    },
    anchor: {
      broker: { url, tls: { pin }, passwordFile },
      public: { listen: `127.0.0.1:${anchorPort}`, tls: anchorTls },
      enrolment: { broker: { url, cert: brokerTls.cert } },
    },
  };
}

test("invited, enrolled, running; revoked: dropped and refused; enrolled anew: heard again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tally-access-"));
  try {
    const settings = await secured(folder);
    await Town.run((town) => new Story(town).tell(folder), settings);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

class Story {
  readonly #town: Town;

  constructor(town: Town) {
    this.#town = town;
  }

  async tell(folder: string): Promise<void> {
    const town = this.#town;
    writeFileSync(join(folder, "policy.txt"), readFileSync(town.policyFile));
    await town.start("broker");
    await town.start("anchor");

    expect(await this.#enrol(await this.#invite())).toMatchObject({ device: "city/gw-1", item: 1 });
    this.#configure();
    const agent = this.#run("first");
    await town.until(
      "readings have their receipts",
      async () => (await this.#report()).outbox.receipted.count > 6,
    );

    const nextKey = town.path("gw-1", "device.key.next");
    // A next key: the broker ends the connection of the old one, and lets the new one in.
    await town.programs.must("agent", ["key", "rotate", ...this.#config()]);
    await town.until(
      "the rotation has begun",
      async () => (await this.#report()).rotation !== null || !existsSync(nextKey),
    );
    await town.until("the rotation is through", async () => (await this.#report()).rotation === null);
    expect(existsSync(nextKey)).toBe(false);
    await town.until("it is connected again", async () => (await this.#connections()) === 1);

    // Revoked, the live connection ends; what is signed from then on waits, and nobody takes it.
    const [connected, before] = [await this.#connections(), (await this.#report()).outbox.receipted.count];
    expect(connected).toBe(1);
    await this.#anchor("revoke", "--device", "city/gw-1", "--wait");
    const beganMs = performance.now();
    await town.until("the connection is dropped", async () => (await this.#connections()) === 0);
    expect(performance.now() - beganMs).toBeLessThan(DROPPED_WITHIN_MS);
    const kept = (await this.#report()).outbox;
    await town.until(
      "what it signs waits",
      async () => (await this.#report()).outbox.waiting.count > kept.waiting.count + 2,
    );
    const after = (await this.#report()).outbox.receipted.count;
    expect(after).toBeGreaterThanOrEqual(before);
    await agent.stop();
    const size = await town.metric("log_size");
    // Nobody lets it in: neither with the key that was revoked, nor to enrol with it again.
    const again = await town.run(
      "agent",
      "enrol",
      "--no-wait",
      await this.#invite("--re-enrol", "--reason", "key revoked"),
      ...this.#config(),
    );
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/\[key-(?:exists|revoked)\]/)]);
    expect(await town.metric("log_size")).toBe(size);

    // A new key, and nothing is left of the old state: the operator says so in public.
    for (const name of ["device.key", "agent.began", "agent.db", "agent.db-wal", "agent.db-shm"])
      this.#setAside(name);
    const anew = await this.#enrol(await this.#invite("--re-enrol", "--reason", "key revoked"));
    expect(anew).toMatchObject({ device: "city/gw-1" });
    const second = this.#run("second");
    await town.until(
      "readings have their receipts again",
      async () => (await this.#report()).outbox.receipted.count > 6,
    );
    await second.stop();
    expect((await this.#report()).rejections, "chains that say they are the first would be forks").toEqual(
      [],
    );
    await this.#verify();
  }

  /** Everything that was said under either key verifies, and what is missing is seen to be. */
  async #verify(): Promise<void> {
    const town = this.#town;
    const audited = await town.run("audit", "log", town.publicFolder, "--policy", town.policyFile, "--json");
    const { verdict } = JSON.parse(audited.stdout) as { verdict: string };
    expect([audited.code, verdict]).toEqual([0, "restricted"]); // no witness
  }

  #run(label: string): ReturnType<Town["programs"]["start"]> {
    return this.#town.programs.start("agent", ["run", ...this.#config()], {}, { label });
  }

  #setAside(name: string): void {
    const path = this.#town.path("gw-1", name);
    try {
      renameSync(path, `${path}.old`);
    } catch {
      // SQLite leaves no log where it closed well
    }
  }

  #config(): readonly string[] {
    return ["--config", this.#town.path("gw-1.yaml")];
  }

  #configure(): void {
    const path = this.#town.path("gw-1.yaml");
    const yaml = readFileSync(path, "utf8");
    expect(yaml).toMatch(/url: "mqtts:.*\n *tls:\n *pin: sha256:/);
    const streams =
      "streams: [{ name: host/self, source: { kind: host }, every: 1, seal: { maxWaitMs: 200 } }]";
    writeFileSync(
      path,
      yaml.replace(
        "streams: []",
        `clock: { trust: system }\nuplink: { retry: { firstMs: 300, maxMs: 2000 } }\n${streams}`,
      ),
    );
  }

  async #anchor(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#town.run(
      "anchor",
      ...args,
      "--config",
      this.#town.configFile("anchor"),
    );
    if (code !== 0) throw new Error(`tally-anchor ${args.join(" ")}: exit ${code}\n${stderr}`);
    return stdout;
  }

  async #invite(...more: readonly string[]): Promise<string> {
    return (await this.#anchor("invite", "--org", "city", "--device", "gw-1", "--no-qr", ...more)).trim();
  }

  async #enrol(line: string): Promise<object> {
    const args = ["enrol", line, "--json", ...this.#config(), "--data", this.#town.path("gw-1")];
    const { code, stdout, stderr } = await this.#town.run("agent", ...args);
    if (code !== 0) throw new Error(`tally-agent enrol: exit ${code}\n${stderr}`);
    return JSON.parse(stdout) as object;
  }

  async #report(): Promise<Report> {
    return JSON.parse(
      (await this.#town.run("agent", "status", "--json", ...this.#config())).stdout,
    ) as Report;
  }

  /** Devices that are connected at this moment: all but the anchor. */
  async #connections(): Promise<number> {
    return (await this.#town.brokerMetric("connections")) - 1;
  }
}
