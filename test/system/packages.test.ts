/**
 * The packages as an operator gets them: made twice the same, installed into a fresh Debian that its own systemd runs, and the whole path there, from
 * this gateway's sensors to receipts; then what happens to an outbox and a key when the package is upgraded, set back, removed and purged.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { hash } from "node:crypto";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../../agent/src/commands/report.ts";
import { SCHEMA_VERSION } from "../../agent/src/storage/storage.ts";
import { pack, type Packed } from "../../packaging/pack.ts";
import type { ProductName } from "../../packaging/products.ts";
import { debianRoot, Machine } from "../support/machine.ts";
import { need } from "../support/require.ts";
import { selfSigned } from "../support/tls-files.ts";

const canInstall = need("machine");
const PATIENCE_MS = 45_000;
const UNIX_S = 1_700_000_000;
const DATA = "/var/lib/tallystick/agent";
const KEY = `${DATA}/device.key`;
const NODE = "/usr/lib/tallystick/agent/bin/node";
const ANCHOR = "http://127.0.0.1:8080";
const POLICY = "/etc/tallystick/policy.txt";
const NO_CAPABILITY = "0".repeat(16);
/** What `systemd-analyze security` may find at most, in tenths: 0 is nothing, 100 all. */
const EXPOSURE = { "tally-agent": 20, "tally-anchor": 15, "tally-broker": 15 } as const;

const run = promisify(execFile);
const yaml = (settings: object): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join("");
const hashOf = (file: string): string => hash("sha256", readFileSync(file));

describe.runIf(canInstall)("packages", () => {
  let folder = "";
  let machine: Machine;
  let again: Packed | undefined;
  const packed = new Map<string, Packed>();

  async function make(product: ProductName, version: string, out = "dist"): Promise<Packed> {
    const options = { out: join(folder, out), compression: "none", unixS: UNIX_S } as const;
    return pack({ product, architecture: "x64", version }, options);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tallystick-packages-"));
    const base = debianRoot();
    for (const product of ["agent", "anchor", "broker"] as const)
      packed.set(product, await make(product, "0.1.0"));
    again = await make("agent", "0.1.0", "again");
    packed.set("newer", await make("agent", "0.2.0"));
    machine = await Machine.start(await base, async (root) => {
      mkdirSync(join(root, "packages"));
      for (const { deb } of packed.values()) linkSync(deb, join(root, "packages", basename(deb)));
      // As an image is built: nothing runs there.
      const { stdout } = await run("chroot", [root, ...installing("broker")], {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      });
      expect(stdout).toContain("sudo tally-broker config check");
    });
  }, 400_000);
  afterAll(async () => {
    await machine?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const installing = (name: string): readonly string[] => [
    "dpkg",
    "-i",
    `/packages/${basename(packed.get(name)?.deb ?? "")}`,
  ];
  const install = (name: string): Promise<string> => machine.run(...installing(name));
  const property = async (unit: string, name: string): Promise<string> =>
    (await machine.run("systemctl", "show", "--value", "--property", name, unit)).trim();
  const report = async (): Promise<Report> =>
    JSON.parse((await machine.try("tally-agent", "status", "--json")).stdout) as Report;

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endMs = Date.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (Date.now() > endMs) throw new Error(`never: ${what}\n${await journal()}`);
      await delay(200);
    }
  }
  const journal = async (): Promise<string> =>
    (await machine.try("journalctl", "--no-pager", "-n", "60")).stdout;

  test("the same sources give the same bytes", () => {
    const { deb = "", tarball = "" } = packed.get("agent") ?? {};
    expect(hashOf(again?.deb ?? "")).toBe(hashOf(deb));
    expect(hashOf(again?.tarball ?? "")).toBe(hashOf(tarball));
  });

  test("each says what to do next, and nothing runs before it has a configuration", async () => {
    expect(await install("anchor")).toContain("sudo tally-anchor init");
    expect(await install("agent")).toContain("sudo tally-agent enrol");
    for (const program of ["tally-agent", "tally-anchor", "tally-broker"]) {
      expect(await machine.run(program, "--version")).toBe(`${program} 0.1.0\n`);
      expect(await property(program, "ActiveState")).toBe("inactive");
      expect((await machine.run("systemctl", "is-enabled", program)).trim()).toBe("enabled");
    }
    // Elsewhere than in its place, for whoever unpacks the tarball somewhere.
    expect((await run(machine.path("usr", "bin", "tally-agent"), ["--version"])).stdout).toBe(
      "tally-agent 0.1.0\n",
    );
  });

  test("a signature thread of the anchor finds by name what checks keys in hardware", async () => {
    const home = "/usr/lib/tallystick/anchor";
    const load = `require("node:module").createRequire("${home}/tally-anchor.js")("@tallystick/evidence/node")`;
    expect(await machine.run(`${home}/bin/node`, "-p", `${load}.createNodeProvider().name`)).toBe("node\n");
  });

  test("the units are good, and leave little open", async () => {
    for (const [program, most] of Object.entries(EXPOSURE)) {
      const unit = `/usr/lib/systemd/system/${program}.service`;
      expect(await machine.try("systemd-analyze", "verify", unit)).toEqual({
        code: 0,
        stdout: "",
        stderr: "",
      });
      const rated = ["security", "--offline=true", `--threshold=${most}`, "--no-pager", unit];
      const { code, stdout } = await machine.try("systemd-analyze", ...rated);
      expect(code, stdout).toBe(0);
    }
  });

  test("from an invite to receipts of this machine's own sensors, over TLS", async () => {
    await certify("broker", "anchor");
    settings("broker", {
      registry: { from: ANCHOR, policy: POLICY },
      tls: { listen: { host: "127.0.0.1", port: 8883 }, ...tls("broker") },
      http: {},
    });
    const enrolment = { broker: { url: "mqtts://127.0.0.1:8883", cert: tls("broker").cert } };
    settings("anchor", { public: { listen: "127.0.0.1:8443", tls: tls("anchor") }, enrolment });
    writeFileSync(
      machine.path(POLICY),
      await machine.run("tally-anchor", "init", "--origin", "tally.example/2026"),
    );
    await machine.run("systemctl", "start", "tally-anchor", "tally-broker");
    for (const [server, port] of [
      ["anchor", 8080],
      ["broker", 8081],
    ] as const) {
      const node = `/usr/lib/tallystick/${server}/bin/node`;
      const asked = `fetch("http://127.0.0.1:${port}/healthz").then((r) => console.log(r.status))`;
      expect(await machine.run(node, "-e", asked)).toBe("200\n");
    }

    const invite = await machine.run(
      "tally-anchor",
      "invite",
      "--org",
      "city",
      "--device",
      "gw-1",
      "--no-qr",
    );
    await machine.run("tally-agent", "enrol", invite.trim());
    expect((await machine.run("stat", "-c", "%U %a", KEY)).trim()).toBe("tally-agent 600");
    const config = machine.path("etc", "tallystick", "agent.yaml");
    const more = {
      clock: { trust: "system" },
      uplink: { retry: { firstMs: 300, maxMs: 3000 } },
      streams: [{ name: "host/self", source: { kind: "host" }, every: 1, seal: { maxWaitMs: 300 } }],
    };
    writeFileSync(config, readFileSync(config, "utf8").replace("streams: []", yaml(more)));
    await machine.run("tally-agent", "config", "check");
    await machine.run("systemctl", "start", "tally-agent");
    await until("receipts", async () => (await report()).outbox.receipted.count > 5);
    await machine.run("tally-agent", "doctor");
  });

  test("the service is its own user, without a right more", async () => {
    const pid = await property("tally-agent", "MainPID");
    const status = await machine.run("cat", `/proc/${pid}/status`);
    const uid = (await machine.run("id", "-u", "tally-agent")).trim();
    const of = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
    expect([of("Uid"), of("CapEff"), of("CapBnd"), of("NoNewPrivs"), of("Seccomp")]).toEqual([
      uid,
      NO_CAPABILITY,
      NO_CAPABILITY,
      "1",
      "2",
    ]);
    expect((await machine.run("stat", "-c", "%U %a", DATA)).trim()).toBe("tally-agent 700");
    // A folder of compiled code that others can't reach, made under ProtectSystem=strict.
    expect(await machine.run("ls", `${DATA}/compile-cache`)).not.toBe("");
  });

  test("one that hangs is started again, and loses nothing", async () => {
    await dropIn("tally-agent.service", "[Service]\nWatchdogSec=2\nRestartSec=0\n");
    await machine.run("systemctl", "restart", "tally-agent");
    await delay(3500); // longer than the watchdog waits: it is fed
    expect(await property("tally-agent", "NRestarts")).toBe("0");
    const before = await report();
    await machine.run("sh", "-c", `kill -STOP ${await property("tally-agent", "MainPID")}`);
    await until("it is started again", async () => (await property("tally-agent", "NRestarts")) === "1");
    expect(await journal()).toMatch(/tally-agent\.service: Watchdog timeout/);
    await until("receipts go on", async () => {
      const { receipted } = (await report()).outbox;
      return receipted.count > before.outbox.receipted.count + 3;
    });
    await dropIn("tally-agent.service", "");
  });

  test("a clock that is never synchronised is waited for, and not for ever", async () => {
    const never =
      "[Unit]\nDefaultDependencies=no\nBefore=time-sync.target\n[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\n";
    writeFileSync(machine.path("etc", "systemd", "system", "never-in-time.service"), never);
    await dropIn("time-sync.target", "[Unit]\nWants=never-in-time.service\n");
    await dropIn("tally-agent-clock.target", "[Unit]\nJobTimeoutSec=2\n");
    await machine.run("systemctl", "stop", "tally-agent", "tally-agent-clock.target", "time-sync.target");
    const startMs = Date.now();
    await machine.run("systemctl", "start", "tally-agent");
    expect(Date.now() - startMs).toBeGreaterThan(1500);
    expect(await property("time-sync.target", "ActiveState")).toBe("inactive");
    expect(await property("tally-agent", "ActiveState")).toBe("active");
  });

  test("an upgrade keeps key, outbox and configuration; an older version is refused", async () => {
    await machine.run("systemctl", "stop", "tally-broker");
    await until("statements wait", async () => (await report()).outbox.waiting.count > 3);
    const [before, key] = [await report(), await machine.run("sha256sum", KEY)];
    const pid = await property("tally-agent", "MainPID");
    await machine.try("timeout", "--signal=KILL", "0.3", ...installing("newer")); // as a power cut would
    expect(await property("tally-agent", "ActiveState")).toBe("active");
    await install("newer");
    expect(await property("tally-agent", "MainPID")).not.toBe(pid);
    expect(await property("tally-agent", "ActiveState")).toBe("active");
    expect(await machine.run("sha256sum", KEY)).toBe(key);
    expect((await report()).outbox.waiting.count).toBeGreaterThanOrEqual(before.outbox.waiting.count);

    const refused = await machine.try(...installing("agent"));
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("not installed: version 0.2.0 was here, and 0.1.0 is older");
    expect(await machine.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "tally-agent")).toBe(
      "0.2.0 installed",
    );
    expect(await property("tally-agent", "ActiveState")).toBe("active");
    const preinst = ["sh", "/var/lib/dpkg/info/tally-agent.preinst", "upgrade"];
    expect((await machine.try(...preinst, "0.2.0~rc.1")).code).toBe(0);
    expect((await machine.try(...preinst, "0.3.0~rc.1")).code).toBe(1);
    expect((await machine.try("env", "TALLYSTICK_DOWNGRADE=allow", ...preinst, "0.3.0")).code).toBe(0);

    await machine.run("systemctl", "start", "tally-broker");
    const waited = before.outbox.waiting.count;
    await until("all that waited has a receipt", async () => {
      const { receipted, waiting } = (await report()).outbox;
      return receipted.count >= before.outbox.receipted.count + waited && waiting.count < waited;
    });
  });

  test("a database of a newer version is refused by name, and stays", async () => {
    await machine.run("systemctl", "stop", "tally-agent");
    const set = (version: number): Promise<string> => {
      const sql = `new (require("node:sqlite").DatabaseSync)("${DATA}/agent.db").exec("PRAGMA user_version = ${version}")`;
      return machine.run("setpriv", "--reuid=tally-agent", "--clear-groups", NODE, "-e", sql);
    };
    await set(999);
    expect((await machine.try("tally-agent", "run")).stderr).toContain("[storage-newer]");
    await set(SCHEMA_VERSION);
  });

  test("remove keeps what was signed; purge of the agent says that its key is gone; the ledger is never purged", async () => {
    await machine.run("dpkg", "--remove", "tally-agent");
    expect(await machine.run("ls", DATA)).toContain("agent.db");
    expect(await machine.run("ls", DATA)).toContain("device.key");
    const purged = await machine.try("dpkg", "--purge", "tally-agent");
    expect(purged.code).toBe(0);
    expect(purged.stderr).toContain("the key of device gw-1 is removed");
    expect((await machine.try("ls", DATA)).code).not.toBe(0);
    expect((await machine.try("ls", "/etc/tallystick/agent.yaml")).code).not.toBe(0);

    const ledger = await machine.try("dpkg", "--purge", "tally-anchor");
    expect(ledger.code).toBe(0);
    expect(ledger.stderr).toContain("the ledger and its keys are kept in /var/lib/tallystick/anchor");
    expect(await machine.run("ls", "/var/lib/tallystick/anchor/keys")).toContain("log.pem");
  });

  const tls = (server: string) => ({
    cert: `/etc/tallystick/${server}.pem`,
    key: `/etc/tallystick/${server}.key`,
  });

  /** Certificates of servers, each its own user's. */
  async function certify(...servers: readonly string[]): Promise<void> {
    for (const server of servers) {
      selfSigned(machine.path("etc", "tallystick"), server);
      await machine.run("chown", `tally-${server}:`, tls(server).key);
    }
  }

  const settings = (program: string, what: object): void =>
    writeFileSync(machine.path("etc", "tallystick", `${program}.yaml`), yaml({ version: 1, ...what }));

  /** Adds to a unit what `text` says; nothing: what was added goes. */
  async function dropIn(unit: string, text: string): Promise<void> {
    const place = machine.path("etc", "systemd", "system", `${unit}.d`);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, "test.conf"), text);
    await machine.run("systemctl", "daemon-reload");
  }
});
