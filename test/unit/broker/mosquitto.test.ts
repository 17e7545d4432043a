import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, onTestFinished, test } from "vitest";
import { type EvidenceError, type KeyRecord } from "@tallystick/evidence";
import { sleep, systemTimer } from "@tallystick/evidence/node";
import { defaultConfig, type Config } from "../../../broker/src/config.ts";
import { runAcl } from "../../../broker/src/mosquitto/acl.ts";
import { findPlugin, mosquittoConf } from "../../../broker/src/mosquitto/conf.ts";
import { controlOf, type Control } from "../../../broker/src/mosquitto/control.ts";
import { folderAt, writeFolder, type MosquittoFolder } from "../../../broker/src/mosquitto/files.ts";
import { MosquittoFollower } from "../../../broker/src/mosquitto/follow.ts";
import { deviceRole, serviceRole, type Role } from "../../../broker/src/mosquitto/roles.ts";
import { deviceSigner } from "../../support/anchor-log.ts";
import { freePort } from "../../support/loopback.ts";
import { need } from "../../support/require.ts";
import { selfSigned } from "../../support/tls-files.ts";
import { eventually } from "./start.ts";

const temporary = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "tally-mosquitto-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const keyOf = (name: string): Pick<KeyRecord, "kid" | "iss"> => ({
  kid: deviceSigner(name).key.kid,
  iss: `city/${name}`,
});

const ANCHOR = serviceRole({
  id: "anchor",
  publish: ["down", "checkpoint"],
  subscribe: ["up", "checkpoint"],
});

describe("rights", () => {
  const rightsOf = ({ acls }: Role): string[] =>
    acls.map(({ acltype, topic, allow }) => `${acltype} ${topic}${allow ? "" : " denied"}`).toSorted();

  test("of a device are its own four topics", () => {
    const { kid } = keyOf("gw-1");
    const role = deviceRole(keyOf("gw-1"));
    expect(role.name).toBe(Buffer.from(kid).toString("hex"));
    expect(rightsOf(role)).toEqual([
      "publishClientReceive tally/v1/checkpoint",
      "publishClientReceive tally/v1/city/gw-1/down",
      "publishClientSend tally/v1/city/gw-1/state",
      "publishClientSend tally/v1/city/gw-1/up",
      "subscribeLiteral tally/v1/checkpoint",
      "subscribeLiteral tally/v1/city/gw-1/down",
    ]);
  });

  test("of a service are the kinds that the configuration says", () => {
    expect(rightsOf(ANCHOR)).toEqual([
      "publishClientReceive tally/v1/+/+/up",
      "publishClientReceive tally/v1/checkpoint",
      "publishClientSend tally/v1/+/+/down",
      "publishClientSend tally/v1/checkpoint",
      "subscribeLiteral tally/v1/+/+/up",
      "subscribeLiteral tally/v1/checkpoint",
    ]);
  });
});

describe("files", () => {
  test("are for their owner; a state that is there stays with its password", async () => {
    const folder = folderAt(join(temporary(), "new"));
    expect(await writeFolder(folder, "# first\n", [ANCHOR])).toBe(true);
    const modes = [folder.path, folder.state, folder.options].map((path) => statSync(path).mode & 0o777);
    expect(modes).toEqual([0o750, 0o600, 0o600]);
    const [options, state] = [readFileSync(folder.options, "utf8"), readFileSync(folder.state, "utf8")];
    const [, password = ""] = /^-P (\S{43})$/m.exec(options) ?? [];
    expect(password).not.toBe("");
    expect(state).not.toContain(password);
    expect(await writeFolder(folder, "# second\n", [])).toBe(false);
    expect(readFileSync(folder.config, "utf8")).toBe("# second\n");
    expect(readFileSync(folder.options, "utf8")).toBe(options);
    expect(readFileSync(folder.state, "utf8")).toBe(state);
    rmSync(folder.options);
    await expect(writeFolder(folder, "", [])).rejects.toMatchObject({ code: "storage-missing" });
  });

  test.skipIf(process.getuid?.() !== 0)("are not made by root in somebody else's folder", () => {
    const path = temporary();
    chownSync(path, 1, 1);
    expect(() => folderAt(path)).toThrow("run this as the folder's owner (user 1)");
  });

  test.for(["/tmp/a b", "/tmp/a\nlistener 1883", "/tmp/é", `/tmp/${"x".repeat(100)}`])(
    "can't be in %j",
    (path) => {
      expect(() => folderAt(path)).toThrow("--out");
    },
  );
});

type Values = Readonly<Record<string, string | boolean>>;
test.for([
  [{ out: "OUT" }, {}, "--mosquitto"],
  [{ mosquitto: true }, {}, "--out"],
  [{ mosquitto: true, out: "OUT", plugin: "/p.so" }, {}, "clientCa"],
  [{ mosquitto: true, out: "OUT", plugin: "/p.so" }, { clientCa: "a" }, "registry"],
  [{ mosquitto: true, out: "OUT", plugin: "/p.so" }, { clientCa: "a\nuser root" }, "tls.clientCa"],
  [{ mosquitto: true, out: "OUT", follow: true }, {}, "registry"],
] as [Values, object, string][])(
  "the command says what is missing or wrong: %j",
  async ([values, more, expected]) => {
    const listener = { listen: { host: "127.0.0.1", port: 8883 }, cert: "c", key: "k", ...more };
    const config: Config = { ...defaultConfig(), tls: listener };
    const given = "out" in values ? { ...values, out: temporary() } : values;
    await expect(runAcl(config, { values: given, positionals: [] })).rejects.toThrow(expected);
  },
);

describe.skipIf(!need("mosquitto") || !need("mosquitto_rr"))("a running Mosquitto", () => {
  async function mosquitto(): Promise<MosquittoFolder> {
    const folder = folderAt(temporary());
    const { cert, key } = selfSigned(folder.path, "server");
    const listen = { host: "127.0.0.1", port: await freePort() };
    const conf = mosquittoConf(defaultConfig(), { listen, cert, key, clientCa: cert }, folder, findPlugin());
    await writeFolder(folder, conf, [ANCHOR]);
    if (process.getuid?.() === 0) appendFileSync(folder.config, "user root\n");
    const child = spawn("mosquitto", ["-c", folder.config], { stdio: "ignore" });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    });
    await eventually(() => existsSync(folder.socket));
    return folder;
  }

  type Known = Pick<KeyRecord, "kid" | "iss">;
  /** Follows what the test says, until it ends. */
  function follow(control: Control, devices: () => readonly Known[] | undefined) {
    const listeners = new Set<() => void>();
    const settled: { devices: number; added: number; removed: number }[] = [];
    const faults: EvidenceError[] = [];
    const follower = new MosquittoFollower({
      registry: {
        devices: () => devices() as readonly KeyRecord[] | undefined,
        onChange(listener) {
          listeners.add(listener);
          return () => void listeners.delete(listener);
        },
      },
      control,
      services: [ANCHOR],
      timer: systemTimer,
      settled: (change) => settled.push(change),
      told: (error) => faults.push(error),
    });
    const stop = new AbortController();
    const running = follower.run(stop.signal);
    onTestFinished(async () => {
      stop.abort();
      await running;
    });
    return { settled, faults, changed: () => listeners.forEach((listener) => listener()) };
  }

  const namesIn = async (control: Control): Promise<{ clients: string[]; roles: string[] }> => {
    const list = { verbose: false, count: -1, offset: 0 };
    const [clients, roles] = await control([
      { command: "listClients", ...list },
      { command: "listRoles", ...list },
    ]);
    return { clients: clients?.data?.["clients"] as string[], roles: roles?.data?.["roles"] as string[] };
  };

  test("gets what the registry says, in messages of bounded length, and loses what it doesn't say", async () => {
    const folder = await mosquitto();
    const control = controlOf(folder);
    await control([
      { command: "createClient", username: "hand-made", roles: [] },
      { command: "createRole", rolename: "a".repeat(64), acls: [] },
      { command: "createClient", username: "b".repeat(64), roles: [] },
      { command: "createRole", rolename: "service:former", acls: [] },
      { command: "createClient", username: "former", roles: [{ rolename: "service:former" }] },
    ]);
    let longest = 0;
    const counting: Control = (commands) => {
      longest = Math.max(longest, commands.length);
      return control(commands);
    };
    let devices: readonly Known[] | undefined;
    const { settled, faults, changed } = follow(counting, () => devices);
    await sleep(systemTimer, 100, new AbortController().signal);
    expect((await namesIn(control)).clients).toContain("b".repeat(64)); // nothing is known, so nothing is done
    devices = Array.from({ length: 60 }, (_, n) => keyOf(`gw-${n}`));
    changed();
    await eventually(() => settled.length === 1);
    expect(settled).toEqual([{ devices: 60, added: 60, removed: 2 }]);
    const keys = devices.map((one) => deviceRole(one).name);
    expect(await namesIn(control)).toEqual({
      clients: [...keys, "anchor", "hand-made", "tally:acl"].toSorted(),
      roles: [...keys, "service:anchor", "tally:acl"].toSorted(),
    });
    devices = devices.slice(1);
    changed();
    await eventually(() => settled.length === 2);
    expect(settled[1]).toEqual({ devices: 59, added: 0, removed: 1 });
    expect((await namesIn(control)).roles.length).toBe(61);
    expect(longest).toBeLessThanOrEqual(16);
    expect(faults).toEqual([]);
  });

  test("with another password, without its client, or gone: said so, and tried again", async () => {
    const folder = await mosquitto();
    const good = readFileSync(folder.options, "utf8");
    writeFileSync(folder.options, good.replace(/^-P .*$/m, "-P wrong"));
    const { settled, faults } = follow(controlOf(folder), () => []);
    await eventually(() => faults.length > 1);
    expect(new Set(faults.map(({ code }) => code))).toEqual(new Set(["token-unknown"]));
    writeFileSync(folder.options, good);
    await eventually(() => settled.length === 1);
    await expect(
      controlOf({ ...folder, options: join(temporary(), "mosquitto_rr") })([{ command: "listClients" }]),
    ).rejects.toMatchObject({ code: "unreachable" });
    const { PATH } = process.env;
    onTestFinished(() => {
      process.env["PATH"] = PATH;
    });
    process.env["PATH"] = "/nowhere";
    const nobody = controlOf(folder)([{ command: "listClients" }]);
    await expect(nobody).rejects.toThrow("install mosquitto-clients");
  });

  test("refuses a command: that is told, not passed over", async () => {
    const control = controlOf(await mosquitto());
    expect(await control([{ command: "nonsense" }])).toEqual([{ error: "Unknown command" }]);
    const { faults } = follow(
      (commands) => control(commands.map((one) => ({ ...one, command: `${one.command}!` }))),
      () => [keyOf("gw-1")],
    );
    await eventually(() => faults.length > 0);
    expect(faults[0]).toMatchObject({ code: "http-answer" });
  });
});
