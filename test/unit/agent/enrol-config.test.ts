/** What an invite does to a configuration: what it must, and nothing else. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { formatVkey, nobleSigner } from "@tallystick/evidence";
import { draftConfig, writeConfig } from "../../../agent/src/enrol/configuration.ts";

const log = (seed: number): string =>
  formatVkey("city.example/2026", nobleSigner(new Uint8Array(32).fill(seed)).key);
const INVITED = { device: "city/gw-1", logs: [log(1)], broker: { url: "mqtt://127.0.0.1:1883" } };

function place(text?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "tally-enrol-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "agent.yaml");
  if (text !== undefined) writeFileSync(path, text);
  return path;
}

test("a new one has what is needed, and says where to go on", async () => {
  const path = place();
  const draft = draftConfig(path, INVITED, {}, { data: "/data" });
  expect(draft.settings).toMatchObject({ iss: "city/gw-1", data: "/data", log: [log(1)], streams: [] });
  expect(draft.text).toMatch(/^# tally-agent, as it was enrolled/);
  expect(draft.text).toMatch(/^# What is read\..*\nstreams: \[\]$/m);
  await writeConfig(draft);
  expect(readFileSync(path, "utf8")).toBe(draft.text);
  // Asked again, it is what it was.
  expect(draftConfig(path, INVITED, {}).text).toBe(draft.text);
});

const OWN = `# the cellar in Main Street
version: 1
org: city
device: gw-1
metered: true # a SIM
log: [${log(2).replace("city.example", "old.example")}]
streams:
  # the meter by the door
  - name: meter/m-1
    source: { kind: p1, tcp: { host: 192.0.2.1, port: 2001 } }
`;

test("streams, comments and other settings of one that is there stay", () => {
  const other = log(2).replace("city.example", "old.example");
  const path = place(OWN.replace(other, log(1).replace("city.example", "city.example")));
  const { text, settings, changed } = draftConfig(
    path,
    { ...INVITED, broker: { url: "mqtt://127.0.0.1:9" } },
    {},
  );
  for (const kept of ["# the cellar in Main Street", "metered: true # a SIM", "# the meter by the door"])
    expect(text).toContain(kept);
  expect(settings).toMatchObject({ metered: true, broker: { url: "mqtt://127.0.0.1:9" } });
  expect(settings.streams.map(({ name }) => name)).toEqual(["meter/m-1"]);
  expect(changed).toEqual([]);
});

test("another broker is set, and told; another log is added", () => {
  const successor = formatVkey("city.example/2027", nobleSigner(new Uint8Array(32).fill(3)).key);
  const path = place(
    `version: 1\norg: city\ndevice: gw-1\nlog: ["${log(1)}"]\nbroker: { url: "mqtt://10.0.0.1:1883" }\n`,
  );
  const { settings, changed } = draftConfig(path, { ...INVITED, logs: [successor] }, {});
  expect(settings.log).toEqual([log(1), successor]);
  expect(changed).toEqual(["broker.url"]);
});

test("a file that only has comments, or what is needed is missing, is filled", () => {
  for (const text of ["# all of it\n# org: example\n", "streams: []\n", "org: city\n"]) {
    const draft = draftConfig(place(text), INVITED, {});
    expect(draft.settings.iss).toBe("city/gw-1");
    expect(draft.text).toContain(text.trim().split("\n")[0]);
  }
});

test.for<[string, string, string]>([
  ["another device's", "version: 1\norg: city\ndevice: gw-2\n", "invite-device"],
  ["another org's", "version: 1\norg: town\ndevice: gw-1\n", "invite-device"],
  ["another key's of this log", `version: 1\norg: city\ndevice: gw-1\nlog: ["${log(2)}"]\n`, "log-key"],
])("%s file is left alone", ([, text, code]) => {
  const path = place(text);
  expect(() => draftConfig(path, INVITED, {})).toThrow(expect.objectContaining({ code }));
  expect(readFileSync(path, "utf8")).toBe(text);
});

test.for<[string, string, RegExp]>([
  ["no YAML", "org: [city\n", /agent\.yaml:\d+: not YAML/],
  ["an unknown setting", "version: 1\nbrokr: 1\n", /agent\.yaml:2: brokr: no such setting/],
  ["a version of later", "version: 2\n", /this agent reads version 1/],
  ["a list", "- org\n", /agent\.yaml/],
])("a file with %s is told of, with its line", ([, text, fault]) => {
  expect(() => draftConfig(place(text), INVITED, {})).toThrow(fault);
});

test("an environment that says another device is told of", () => {
  expect(() => draftConfig(place(), INVITED, { TALLYSTICK_DEVICE: "gw-9" })).toThrow(
    expect.objectContaining({ code: "invite-device" }),
  );
});

const PIN = `sha256:${"ab".repeat(32)}`;
const OVER_TLS = { ...INVITED, broker: { url: "mqtts://broker.example:8883", pin: PIN } };

test("the broker's pin is set, beside one that is there for its next key, and not where an authority was named", () => {
  expect(draftConfig(place(), OVER_TLS, {}).settings.broker).toMatchObject({
    url: OVER_TLS.broker.url,
    tls: { pin: PIN },
  });
  const of = (tls: string): unknown => {
    const text = `version: 1\norg: city\ndevice: gw-1\nlog: ["${log(1)}"]\nbroker: { url: "mqtts://broker.example:8883", tls: ${tls} }\n`;
    const { settings, changed } = draftConfig(place(text), OVER_TLS, {});
    return [settings.broker.tls, changed];
  };
  const next = `sha256:${"cd".repeat(32)}`;
  expect(of(`{ pin: ["${next}", "${PIN}"] }`)).toEqual([{ pin: [next, PIN] }, []]);
  expect(of(`{ pin: "${next}" }`)).toEqual([{ pin: PIN }, ["broker.tls.pin"]]);
  expect(of("{ ca: /etc/ca.pem }")).toEqual([{ ca: "/etc/ca.pem" }, []]);
});

test("a client certificate is named with the device's own key, unless the file names another for TLS; other brokers need none", () => {
  const cert = "/etc/tallystick/gw-1.pem";
  const made = draftConfig(place(), OVER_TLS, {}, { data: "/data", cert });
  expect(made.settings.broker.tls).toEqual({ pin: PIN, cert, key: "/data/device.key" });
  expect(made.changed).toEqual([]);
  const path = place(
    `version: 1\nbroker:\n  url: mqtts://broker.example:8883\n  tls: { ca: /ca.pem, cert: /old.pem, key: /tls.key } # ours\n`,
  );
  const kept = draftConfig(path, OVER_TLS, {});
  expect(kept.settings.broker.tls).toEqual({ ca: "/ca.pem", cert: "/old.pem", key: "/tls.key" });
  const changed = draftConfig(path, OVER_TLS, {}, { cert });
  expect(changed.settings.broker.tls).toEqual({ ca: "/ca.pem", cert, key: "/tls.key" });
  expect([changed.changed, changed.text]).toEqual([["broker.tls.cert"], expect.stringContaining("# ours")]);
  const token = "version: 1\npkcs11: { module: /m.so, token: t, label: l }\n";
  expect(() => draftConfig(place(token), OVER_TLS, {}, { cert })).toThrow(/in a token/);
  expect(() => draftConfig(place(), INVITED, {}, { cert })).toThrow(/tls: goes with mqtts/);
});
