/** The configuration: defaults, and what a mistaken installer is told. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ConfigError } from "@tallystick/evidence/node";
import {
  configPath,
  DEFAULT_CONFIG_PATH,
  parseSettings,
  readSettings,
  type Settings,
} from "../../../agent/src/config/config.ts";
import { FakeAnchor } from "../../support/fake-anchor.ts";

const LOG = new FakeAnchor().vkey;
const HEAD = `version: 1\norg: city\ndevice: gw-1\nlog: ["${LOG}"]\n`;

const parse = (yaml: string, env: Record<string, string> = {}): Settings =>
  parseSettings(yaml, "agent.yaml", env);

function faults(yaml: string): readonly string[] {
  try {
    parse(yaml);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe("defaults", () => {
  test("of a plain device", () => {
    const settings = parse(
      `${HEAD}streams:\n  - { name: meter/m-1, source: { kind: p1, serial: { path: /dev/serial/by-id/p1 } } }\n`,
    );
    expect(settings).toMatchObject({
      iss: "city/gw-1",
      data: "/var/lib/tallystick/agent",
      key: "/var/lib/tallystick/agent/device.key",
      broker: { url: "mqtt://127.0.0.1:1883" },
      heartbeatS: 300,
      metered: false,
      clock: { trust: "auto" },
      outbox: { whenFull: "stop", keepReceipted: { days: 7, maxBytes: 200_000_000 } },
      uplink: {
        window: { maxStatements: 4000, maxBytes: 1 << 20 },
        retry: { firstMs: 5000, maxMs: 300_000 },
      },
    });
    expect(settings.streams).toEqual([
      {
        name: "meter/m-1",
        source: {
          kind: "p1",
          keepRaw: false,
          line: {
            kind: "serial",
            path: "/dev/serial/by-id/p1",
            baudRate: 115_200,
            dataBits: 8,
            parity: "none",
            stopBits: 1,
            stripParity: false,
          },
        },
        everyS: 60,
        maxLossMs: 10_000,
        seal: { maxWaitMs: 60_000, maxItems: 1000, maxBytes: 24_576 },
      },
    ]);
    expect(settings.hash).toHaveLength(32);
  });

  test("where the line is metered", () => {
    const { heartbeatS, streams } = parse(
      `${HEAD}metered: true\nstreams:\n  - { name: host, source: { kind: host } }\n`,
    );
    expect(heartbeatS).toBe(3600);
    expect(streams[0]).toMatchObject({
      everyS: 900,
      seal: { maxWaitMs: 900_000 },
      source: { kind: "host", intervalS: 900 },
    });
  });

  test("the environment overrides texts", () => {
    const env = {
      TALLYSTICK_BROKER_URL: "mqtts://broker:8883",
      TALLYSTICK_DATA: "/data",
      TALLYSTICK_DEVICE: "gw-2",
    };
    expect(parse(HEAD, env)).toMatchObject({
      iss: "city/gw-2",
      broker: { url: "mqtts://broker:8883" },
      key: "/data/device.key",
    });
  });

  test("the place of the file", () => {
    expect(configPath("a.yaml", { TALLYSTICK_CONFIG: "b.yaml" })).toBe("a.yaml");
    expect(configPath(undefined, { TALLYSTICK_CONFIG: "b.yaml" })).toBe("b.yaml");
    expect(configPath(undefined, {})).toBe(DEFAULT_CONFIG_PATH);
  });
});

describe("faults name their line and what to do", () => {
  test.for<[string, string, RegExp]>([
    ["an unknown key", `${HEAD}bacth: 1\n`, /^agent\.yaml:5: bacth: no such setting/],
    [
      "an unknown key deep inside",
      `${HEAD}outbox:\n  maxByte: 1\n`,
      /^agent\.yaml:6: outbox\.maxByte: no such setting/,
    ],
    ["another version", HEAD.replace("1", "2"), /^agent\.yaml:1: version: .*config migrate/],
    ["a wrong org", HEAD.replace("city", "City"), /^agent\.yaml:2: org: use 1 to 32 of a-z/],
    ["an operator's name", HEAD.replace("gw-1", "operator"), /^agent\.yaml:3: device: .*reserved/],
    ["a log key that is none", HEAD.replace(LOG, "log"), /^agent\.yaml:4: log\.0: /],
    [
      "a key in two places",
      `${HEAD}key: k\npkcs11: { module: m.so, token: t, label: l }\n`,
      /^agent\.yaml:6: pkcs11: .*either key or pkcs11/,
    ],
    [
      "a token without a name",
      `${HEAD}pkcs11: { module: m.so, label: l }\n`,
      /^agent\.yaml:5: pkcs11: .*token.*slot/,
    ],
    ["a key without a name", `${HEAD}pkcs11: { module: m.so, slot: 0 }\n`, /^agent\.yaml:5: pkcs11: .*label/],
    [
      "an id that is none",
      `${HEAD}pkcs11: { module: m.so, slot: 0, id: xyz }\n`,
      /pkcs11\.id: .*hexadecimal/,
    ],
    ["no log key", HEAD.replace(`"${LOG}"`, ""), /^agent\.yaml:4: log: pin the log/],
    [
      "a broker that isn't MQTT",
      `${HEAD}broker:\n  url: http://x\n`,
      /^agent\.yaml:6: broker\.url: give the broker as mqtts/,
    ],
    [
      "an outbox too small",
      `${HEAD}outbox:\n  maxBytes: 1000\n`,
      /^agent\.yaml:6: outbox\.maxBytes: give a whole number/,
    ],
    ["a policy that isn't one", `${HEAD}outbox:\n  whenFull: hope\n`, /^agent\.yaml:6: outbox\.whenFull: /],
    [
      "a stream's name",
      `${HEAD}streams:\n  - name: Meter 1\n    source: { kind: host }\n`,
      /^agent\.yaml:6: streams\.0\.name: /,
    ],
    [
      "a reserved stream",
      `${HEAD}streams:\n  - name: sys\n    source: { kind: host }\n`,
      /^agent\.yaml:6: streams\.0\.name: .*reserved/,
    ],
    [
      "a stream's name twice",
      `${HEAD}streams:\n  - { name: a, source: { kind: host } }\n  - { name: a, source: { kind: host } }\n`,
      /^agent\.yaml:7: streams\.1\.name: another stream/,
    ],
    [
      "a source of no kind",
      `${HEAD}streams:\n  - name: a\n    source: { kind: lpt }\n`,
      /^agent\.yaml:7: streams\.0\.source\.kind: give kind: p1 or host/,
    ],
    [
      "a meter that is nowhere",
      `${HEAD}streams:\n  - name: a\n    source: { kind: p1 }\n`,
      /^agent\.yaml:7: streams\.0\.source: give either serial or tcp/,
    ],
    ["no YAML", `version: [1\n`, /^agent\.yaml:\d: not YAML/],
  ])("%s", ([, yaml, expected]) => {
    expect(faults(yaml)).toEqual([expect.stringMatching(expected)]);
  });

  test("all of them at once", () => {
    expect(faults("version: 1\norg: X\ndevice: Y\nlog: []\nfoo: 1\n")).toHaveLength(4);
  });

  test("a file that isn't there", () => {
    expect(() => readSettings("/nowhere/agent.yaml", {})).toThrow(/nowhere.*--config/);
  });
});

describe("agent.example.yaml", () => {
  const file = join(import.meta.dirname, "..", "..", "..", "agent", "agent.example.yaml");
  const text = readFileSync(file, "utf8");

  test("is a good configuration", () => {
    expect(parse(text)).toMatchObject({
      iss: "city-energy/gw-17",
      streams: [{ name: "meter/m-0417" }, { name: "host/self" }],
    });
  });

  test("names the defaults behind its #", () => {
    const token = ["pkcs11", "module", "token", "label", "pinFile"];
    const examples = [
      ...token,
      "http",
      "tls",
      "username",
      "passwordFile",
      "previous",
      "tcp",
      "pin",
      "ca",
      "cert",
      "key: /etc",
    ];
    const [settings = ""] = text.split("# programs:");
    const uncommented = settings
      .split("\n")
      .filter((line) => !examples.some((example) => line.trim().replace(/^#\s*/, "").startsWith(example)))
      .map((line) => line.replace(/^( *)# ( *[a-zA-Z]+:( |$))/, "$1$2"));
    const facts = (yaml: string): object => ({ ...parse(yaml), hash: null, heartbeat: null }); // heartbeatS is what counts
    expect(facts(uncommented.join("\n"))).toEqual(facts(text));
  });

  test("and those of a program", () => {
    const program = text.slice(text.indexOf("# programs:")).replaceAll(/^# /gm, "");
    const least = `programs: [{ name: tolls, command: [/opt/tolls/lanes, --plaza, "12"], streams: [toll/plaza-12/*] }]`;
    expect(parse(`${HEAD}${program}`).programs).toEqual(parse(`${HEAD}${least}`).programs);
  });
});

describe("programs", () => {
  const program = (changes: string): string =>
    `${HEAD}programs:\n  - { name: a, command: [/bin/a], streams: [x/*], ${changes} }\n`;

  test.for<readonly [string, string, RegExp]>([
    ["a command for a shell", `${HEAD}programs: [{ name: a, command: [a -b], streams: [x] }]`, /from \/ on/],
    ["no command", `${HEAD}programs: [{ name: a, command: [], streams: [x] }]`, /give the program's file/],
    [
      "every stream there is",
      `${HEAD}programs: [{ name: a, command: [/a], streams: ["*"] }]`,
      /name streams/,
    ],
    ["the device's own stream", `${HEAD}programs: [{ name: a, command: [/a], streams: [sys] }]`, /reserved/],
    [
      "a stream that is none",
      `${HEAD}programs: [{ name: a, command: [/a], streams: [X] }]`,
      /a stream is a path/,
    ],
    ["nothing remembered", program("remember: 0"), /1000 to/],
    ["an unknown setting", program("shell: true"), /shell: no such setting/],
    [
      "another's streams",
      `${program("")}  - { name: b, command: [/b], streams: [y, x/y/*] }`,
      /programs\.1\.streams\.1: x\/\* covers these streams already/,
    ],
    [
      "a source's stream",
      `${program("")}streams: [{ name: x/1, source: { kind: host } }]`,
      /x\/1 covers these streams already/,
    ],
    [
      "another's name",
      `${program("")}  - { name: a, command: [/b], streams: [y] }`,
      /another program has this name/,
    ],
    [
      "more streams than the outbox has room for",
      `${program("maxStreams: 100")}outbox: { maxBytes: 1048576 }`,
      /1638400/,
    ],
  ])("%s is a fault", ([, yaml, what]) => {
    expect(faults(yaml).join("\n")).toMatch(what);
  });

  test("streams side by side are none", () => {
    expect(faults(`${program("")}  - { name: b, command: [/b], streams: [x, xy/*] }`)).toEqual([]);
  });
});
