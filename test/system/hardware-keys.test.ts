/**
 * Keys in hardware, the whole path: made in the token, enrolled, and every statement signed there has its receipt; in SoftHSM with the agent as it is shipped and a rotation on the way, and in a TPM.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { decodeEat, isEvidenceError, parseStatement, toHex, type Statement } from "@tallystick/evidence";
import { buildAgent } from "../../agent/build/bundle.ts";
import type { Report } from "../../agent/src/commands/report.ts";
import { readStorage } from "../../agent/src/storage/storage.ts";
import { need } from "../support/require.ts";
import { SoftToken } from "../support/soft-token.ts";
import { SoftTpm } from "../support/soft-tpm.ts";
import { ISS, Town } from "../support/town.ts";

const havePkcs11 = need("pkcs11js");
const haveSoftHsm = need("softhsm2-util") && havePkcs11;
const haveTpm = need("swtpm") && need("tpm2_ptool") && havePkcs11;
const ESP256 = -9;

function folderOf(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `tally-${name}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Every program that is started meanwhile has these. */
function setEnv(env: Readonly<Record<string, string>>): void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  onTestFinished(() => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  });
}

class Story {
  readonly #town: Town;

  constructor(town: Town) {
    this.#town = town;
  }

  /** Makes the key in the token, enrols it, and starts all three programs. */
  async begin(place: SoftToken["place"]): Promise<string> {
    const town = this.#town;
    town.writeAgentConfig({
      key: undefined,
      pkcs11: { ...place, label: "gw-1" },
      heartbeat: 2,
      clock: { trust: "system" },
      uplink: { retry: { firstMs: 300, maxMs: 3000 } },
      streams: [
        { name: "host/gateway", source: { kind: "host" }, every: 1, maxLossMs: 0, seal: { maxWaitMs: 300 } },
      ],
    });
    await town.start("broker");
    await town.start("anchor");
    const { kid, pem } = await this.#key("make");
    const file = town.path("device.pub");
    writeFileSync(file, pem);
    const device = ["--device", ISS, "--streams", "*", "--key", file, "--wait"];
    await town.programs.must("anchor", ["enrol", "--config", town.configFile("anchor"), ...device]);
    await town.start("agent");
    return kid;
  }

  async rotate(): Promise<string> {
    return (await this.#key("rotate")).kid;
  }

  async kid(): Promise<string> {
    return (await this.#key("print")).kid;
  }

  async #key(verb: "make" | "print" | "rotate"): Promise<{ kid: string; pem: string }> {
    const config = ["--config", this.#town.configFile("agent"), "--json"];
    return JSON.parse(await this.#town.programs.must("agent", ["key", verb, ...config])) as {
      kid: string;
      pem: string;
    };
  }

  async report(): Promise<Report> {
    const config = ["--config", this.#town.configFile("agent"), "--json"];
    return JSON.parse((await this.#town.run("agent", "status", ...config)).stdout) as Report;
  }

  /** Statements signed by this key that have a receipt. */
  receipted(kid: string): readonly Statement[] {
    const storage = readStorage(this.#town.path("agent"));
    try {
      return storage
        .query<{ bytes: Uint8Array }>(
          "SELECT s.bytes FROM outbox o JOIN statement s ON s.id = o.id WHERE o.state = 1 ORDER BY o.id",
        )
        .all()
        .map(({ bytes }) => parseStatement(bytes))
        .filter((statement) => toHex(statement.kid) === kid);
    } finally {
      storage.close();
    }
  }

  /** An agent that was just started may have no database yet. */
  async until(what: string, kid: string, least: number): Promise<void> {
    const isThere = (): boolean => {
      try {
        return this.receipted(kid).length >= least;
      } catch (error) {
        if (isEvidenceError(error) && error.code === "storage-missing") return false;
        throw error;
      }
    };
    await this.#town.until(what, isThere);
  }

  async audit(): Promise<void> {
    const town = this.#town;
    await town.stop("anchor");
    const audit = await town.run("audit", "log", town.publicFolder, "--policy", town.policyFile, "--json");
    expect(audit.code, audit.stdout).toBe(0);
  }
}

test.runIf(haveSoftHsm)("SoftHSM and the shipped agent: receipts, a rotation, a restart", async () => {
  const folder = folderOf("softhsm");
  const token = new SoftToken(folder);
  // pkcs11js lies beside the agent, as on a gateway.
  setEnv({ ...token.env, NODE_PATH: "" });
  const dist = join(folder, "dist");
  await buildAgent(dist);
  mkdirSync(join(dist, "node_modules"));
  const peer = createRequire(import.meta.url).resolve("pkcs11js");
  symlinkSync(dirname(peer), join(dist, "node_modules", "pkcs11js"));
  await Town.run(
    async (town) => {
      const story = new Story(town);
      const first = await story.begin(token.place);
      await story.until("receipts", first, 8);
      const second = await story.rotate();
      await town.until("the rotation is through", async () => (await story.report()).rotation === null);
      await story.until("receipts of the new key", second, 5);
      await town.stop("agent");
      expect(await story.kid()).toBe(second);
      const before = story.receipted(second).length;
      await town.start("agent");
      await story.until("receipts after a restart", second, before + 4);
      const boots = [...story.receipted(first), ...story.receipted(second)].flatMap(({ alg, content }) => {
        expect(alg).toBe(ESP256);
        return content.type === "eat" ? [decodeEat(content.payload)] : [];
      });
      expect(boots.map(({ kid, bootCount, token: model }) => [toHex(kid), bootCount, model])).toEqual([
        [first, 1, "SoftHSM v2"],
        [second, 1, "SoftHSM v2"],
        [second, 2, "SoftHSM v2"],
      ]);
      await town.stop("agent");
      await story.audit();
    },
    { mains: { agent: join(dist, "tally-agent.js") } },
  );
});

test.runIf(haveTpm)("a TPM: receipts, and a next key", async () => {
  const tpm = await SoftTpm.start(folderOf("tpm"));
  onTestFinished(() => tpm.stop());
  setEnv(tpm.env);
  await Town.run(async (town) => {
    const story = new Story(town);
    const kid = await story.begin(tpm.place);
    await story.until("receipts", kid, 8);
    const [boot] = story.receipted(kid).flatMap(({ content }) => (content.type === "eat" ? [content] : []));
    expect(boot && decodeEat(boot.payload).token).toMatch(/./);
    // Made by another process: this module shows it in a new session only.
    const next = await story.rotate();
    await story.until("receipts of the next key", next, 2);
    await town.stop("agent");
    await story.audit();
  });
});
