/**
 * From an invite to the first receipt, with the real programs: an operator's key that is here, and one on another machine; a table of invites; an image that was copied.
 *
 * @module
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseInvite } from "@tallystick/evidence";
import { freePort } from "../support/loopback.ts";
import { selfSigned } from "../support/tls-files.ts";
import { Town } from "../support/town.ts";

/** Runs a story in a town whose anchor is open to strangers, over TLS. */
async function inTown(approve: "auto" | "ask", story: (town: Town) => Promise<void>): Promise<void> {
  const certificates = mkdtempSync(join(tmpdir(), "tally-enrolment-"));
  try {
    const port = await freePort();
    const open = { listen: `127.0.0.1:${port}`, tls: selfSigned(certificates, "anchor") };
    await Town.run(
      async (town) => {
        await town.start("broker");
        await town.start("anchor");
        await story(town);
      },
      { anchor: { public: open, enrolment: { approve } } },
    );
  } finally {
    rmSync(certificates, { recursive: true });
  }
}

/** Runs a command that has to succeed; its answer. */
async function must(
  town: Town,
  program: "agent" | "anchor" | "audit",
  ...args: readonly string[]
): Promise<string> {
  const { code, stdout, stderr } = await town.run(program, ...args);
  if (code !== 0) throw new Error(`tally-${program} ${args.join(" ")}: exit ${code}\n${stdout}${stderr}`);
  return stdout;
}

const anchorConfig = (town: Town): readonly string[] => ["--config", town.configFile("anchor")];

/** Where a device of the town keeps its things; nothing is there yet. */
function gateway(town: Town, name: string): readonly string[] {
  return ["--config", town.path(`${name}.yaml`), "--data", town.path(name)];
}

const invite = async (town: Town, device: string, ...more: readonly string[]): Promise<string> => {
  const line = (
    await must(
      town,
      "anchor",
      "invite",
      "--org",
      "city",
      "--device",
      device,
      "--no-qr",
      ...more,
      ...anchorConfig(town),
    )
  ).trim();
  const file = town.path(`${device}.invite`);
  writeFileSync(file, line);
  return file;
};

type Enrolled = {
  device: string;
  kid: string;
  item: number;
  index: number;
  tookMs: number;
  receipt: { origin: string; size: number; time: string };
};

const enrol = async (town: Town, name: string, ...more: readonly string[]): Promise<Enrolled> =>
  JSON.parse(await must(town, "agent", "enrol", ...more, "--json", ...gateway(town, name))) as Enrolled;

test("an invite becomes a device with a receipt; a copy of its disk stops, and can't become another device", async () => {
  await inTown("auto", async (town) => {
    const file = await invite(town, "gw-1", "--streams", "host/*", "--expires", "1h");
    const { device, streams, broker } = parseInvite(readFileSync(file, "utf8"));
    expect([device, streams, broker.url]).toEqual(["city/gw-1", ["host/*"], town.brokerUrl]);

    const done = await enrol(town, "gw-1", file);
    expect(done).toMatchObject({
      device: "city/gw-1",
      item: 1,
      index: 1,
      receipt: { origin: "tally.example/2026" },
    });
    expect(done.receipt.size).toBeGreaterThan(2);
    expect(existsSync(town.path("gw-1", "agent.invite"))).toBe(false);

    // The configuration is one: with streams in it the agent goes on from there.
    const config = town.path("gw-1.yaml");
    const yaml = readFileSync(config, "utf8");
    expect(yaml).toMatch(/^org: "?city"?$/m);
    writeFileSync(
      config,
      yaml.replace(
        "streams: []",
        "clock: { trust: system }\nstreams: [{ name: host/self, source: { kind: host }, every: 1, seal: { maxWaitMs: 200 } }]",
      ),
    );
    const agent = town.programs.start("agent", ["run", "--config", config], {}, { label: "gw-1" });
    await town.until("a reading has its receipt", async () => {
      const { streams: told, outbox } = JSON.parse(
        (await town.run("agent", "status", "--json", "--config", config)).stdout,
      ) as {
        streams: readonly { sub: string; seq: number }[];
        outbox: { waiting: { count: number }; receipted: { count: number } };
      };
      return told.some(({ sub, seq }) => sub === "host/self" && seq > 0) && outbox.receipted.count > 5;
    });
    await agent.stop();

    // The second time, with the same line: another key is refused, this one is told where it stands.
    const again = await town.run("agent", "enrol", file, "--no-wait", ...gateway(town, "thief"));
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("[invite-used]")]);

    // The whole disk is copied to another machine: as far as the copy can tell, it is known by other numbers than before.
    cpSync(town.path("gw-1"), town.path("copy"), { recursive: true });
    writeFileSync(
      town.path("copy.yaml"),
      readFileSync(config, "utf8").replaceAll(town.path("gw-1"), town.path("copy")),
    );
    const binding = town.path("copy", "agent.machine");
    writeFileSync(binding, readFileSync(binding, "utf8").replaceAll(/[0-9a-f]{64}/g, "0".repeat(64)));
    const copied = await town.run("agent", "run", "--config", town.path("copy.yaml"));
    expect([copied.code, copied.stderr]).toEqual([1, expect.stringContaining("[machine-mismatch]")]);
    const told = await town.run("agent", "machine", "--config", town.path("copy.yaml"));
    expect([told.code, told.stdout]).toEqual([1, expect.stringContaining("ANOTHER MACHINE")]);

    // Somebody makes another device of the copy, and leaves the key where it was.
    const second = await invite(town, "gw-2");
    const other = await town.run("agent", "enrol", second, "--config", town.path("copy.yaml"));
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("[invite-device]")]);
    rmSync(town.path("copy.yaml"));
    for (const name of ["agent.db", "agent.began", "agent.machine"]) rmSync(town.path("copy", name));
    const cloned = await town.run("agent", "enrol", second, ...gateway(town, "copy"));
    expect([cloned.code, cloned.stderr]).toEqual([1, expect.stringContaining("this key is city/gw-1's")]);
    expect(await town.metric('outcomes_total{outcome="key-exists"}')).toBe(1);
    expect(town.lastWords()).toContain("ALARM");
  });
});

test("the operator's key lives on another machine: requests go there in a file, items come back in a file", async () => {
  await inTown("ask", async (town) => {
    const names = ["gw-1", "gw-2"];
    for (const name of names) {
      const waiting = await town.run(
        "agent",
        "enrol",
        await invite(town, name),
        "--no-wait",
        ...gateway(town, name),
      );
      expect([waiting.code, waiting.stderr]).toEqual([3, expect.stringContaining("[enrol-waiting]")]);
    }
    const listed = (await must(town, "anchor", "approve", "--json", ...anchorConfig(town)))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { device: string; kid: string; state: string });
    expect(listed.map(({ device, state }) => [device, state])).toEqual([
      ["city/gw-1", "waiting"],
      ["city/gw-2", "waiting"],
    ]);
    const printed = await must(
      town,
      "agent",
      "key",
      "print",
      "--key",
      town.path("gw-1", "device.key"),
      "--json",
    );
    expect(listed[0]?.kid).toBe((JSON.parse(printed) as { kid: string }).kid);

    const [requests, items] = [town.path("out.requests"), town.path("back.items")];
    await must(town, "anchor", "approve", "--export", requests, ...anchorConfig(town));
    // The other machine: it has a key, and no log.
    const key = town.path("operator.pem");
    cpSync(town.path("anchor", "keys", "operator.pem"), key);
    const shown = await must(town, "anchor", "approve", requests);
    expect(shown).toContain(listed[1]?.kid ?? "");
    await must(town, "anchor", "approve", requests, "--key", key, "-o", items);
    await must(town, "anchor", "approve", items, "--wait", ...anchorConfig(town));
    const twice = await town.run("anchor", "approve", items, ...anchorConfig(town));
    expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining("[registry-order]")]);

    // The command goes on where it was, without the line.
    for (const [i, name] of names.entries()) expect(await enrol(town, name)).toMatchObject({ item: i + 1 });
    expect(await must(town, "anchor", "approve", ...anchorConfig(town))).toBe("nothing waits\n");

    const third = ["enrol", await invite(town, "gw-3"), "--no-wait", ...gateway(town, "gw-3")];
    expect((await town.run("agent", ...third)).code).toBe(3);
    await must(
      town,
      "anchor",
      "approve",
      "--refuse",
      "city/gw-3",
      "--reason",
      "not in the cellar",
      ...anchorConfig(town),
    );
    const refused = await town.run("agent", ...third);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/not in the cellar.*\[enrol-refused\]/),
    ]);
  });
});

test("a table of invites is made whole or not at all", async () => {
  await inTown("auto", async (town) => {
    const table = town.path("devices.csv");
    const make = (): ReturnType<Town["run"]> =>
      town.run("anchor", "invite", "--csv", table, ...anchorConfig(town));
    writeFileSync(
      table,
      "org,device,streams,silence\ncity,gw-1,meter/a,15m\ncity,Gw 2,,\ncity,gw-3,METER,5 minutes\n",
    );
    const bad = await make();
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(
      /devices\.csv:3: device: .*\n.*devices\.csv:4: streams: METER: .*\n.*devices\.csv:4: silence: .*\n.*nothing was made/,
    );
    expect(await must(town, "anchor", "invite", "list", ...anchorConfig(town))).toBe("");

    writeFileSync(table, 'device,org,streams\r\ngw-1,city,"meter/a, host/*"\r\ngw-2,city,\r\n');
    const { code, stdout } = await make();
    expect(code).toBe(0);
    const [header, ...rows] = stdout.trim().split("\r\n");
    expect(header).toBe("org,device,expires,invite");
    const lines = rows.map((row) => row.split(",").at(-1) ?? "");
    expect(lines.map((line) => parseInvite(line).device)).toEqual(["city/gw-1", "city/gw-2"]);
    await must(town, "anchor", "invite", "withdraw", "city/gw-2", ...anchorConfig(town));
    expect(await enrol(town, "gw-1", lines[0] ?? "")).toMatchObject({ device: "city/gw-1" });
    const withdrawn = await town.run("agent", "enrol", lines[1] ?? "", ...gateway(town, "gw-2"));
    expect([withdrawn.code, withdrawn.stderr]).toEqual([1, expect.stringContaining("withdrawn")]);
    const listed = await must(town, "anchor", "invite", "list", ...anchorConfig(town));
    expect(listed).toMatch(/used .*city\/gw-1/);
    expect(listed).toMatch(/withdrawn .*city\/gw-2/);
  });
});
