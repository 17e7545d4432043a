/**
 * Where streams come from: is the device there, and may the agent open it; and what was read of late.
 *
 * @module
 */
import { accessSync, constants, readdirSync, statSync, type Stats } from "node:fs";
import { fail, ok, probePort, unknown, userOf, warn, type Finding } from "@tallystick/evidence/node";
import type { StreamSettings } from "../config/config.ts";
import type { ProgramSettings } from "../config/config-programs.ts";
import type { Line } from "../sources/open.ts";
import type { Patient } from "./patient.ts";

const PORT_MS = 3000;
const BY_ID = "/dev/serial/by-id";

export async function sourceFindings(patient: Patient): Promise<readonly Finding[]> {
  const { settings } = patient;
  if (settings.streams.length === 0 && settings.programs.length === 0)
    return [
      warn(
        "sources",
        "no stream is configured",
        "add one under streams, or a program; agent.example.yaml has examples",
      ),
    ];
  const findings = await Promise.all(
    settings.streams.map(async (stream) => [
      ...(await placeFindings(stream, patient)),
      ...readFindings(stream, patient),
    ]),
  );
  return [...findings.flat(), ...settings.programs.flatMap((program) => programFindings(program, patient))];
}

function programFindings({ name, command }: ProgramSettings, patient: Patient): readonly Finding[] {
  const about = `program ${name}`;
  const [file = ""] = command;
  const counters = patient.record?.report.counters[`exec:${name}`];
  try {
    accessSync(file, constants.X_OK);
    if (!statSync(file).isFile()) return [fail(about, `${file} is no file`, "give the program itself")];
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return [fail(about, why, "give a file that this user may run, under programs")];
  }
  if (counters === undefined) return [ok(about, `${file} can be run`)];
  const good = counters["frames-good"] ?? 0;
  const bad = badFrames(counters);
  const text = `${good} lines taken, ${bad} refused, ${counters["reconnects"] ?? 0} times ended badly`;
  return [
    bad > good / 10
      ? warn(about, text, "the log names the codes; try tally-agent decode --kind exec on what it prints")
      : ok(about, text),
  ];
}

const badFrames = (counters: Readonly<Record<string, number>>): number =>
  Object.entries(counters).reduce(
    (sum, [counter, n]) => sum + (counter.startsWith("frames-bad-") ? n : 0),
    0,
  );

/** A port that a running agent holds is not touched. */
async function placeFindings(
  { name, source }: StreamSettings,
  { pid }: Patient,
): Promise<readonly Finding[]> {
  const about = `source ${name}`;
  if (source.kind === "host") return [ok(about, "this machine's own sensors")];
  if (source.line.kind === "serial") return [serialFinding(about, source.line, pid ?? undefined)];
  // One that gives its readings to a single client is left to the agent.
  if (typeof pid === "number")
    return [ok(about, `${source.line.host}:${source.line.port}, read by the running agent`)];
  return [await probePort(about, source.line, AbortSignal.timeout(PORT_MS))];
}

function serialFinding(about: string, { path }: Line & { kind: "serial" }, pid: number | undefined): Finding {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    return unknown(about, cause instanceof Error ? cause.message : String(cause), "look at the folder");
  }
  if (stats === undefined)
    return fail(about, `${path} isn't there`, `check the cable and the adapter; there is: ${portsThere()}`);
  if (!stats.isCharacterDevice()) return fail(about, `${path} is no serial port`, "give the path of a port");
  const running = pid === undefined ? undefined : userOf(pid);
  if (running !== undefined && running !== process.getuid?.())
    return ok(about, `${path} is there; the running agent opens it`);
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return ok(about, `${path} is there, and this user may open it`);
  } catch {
    const todo = `put the agent's user into the group that owns it (group ${stats.gid}, mostly dialout): usermod -aG dialout USER`;
    return fail(about, `${path} is there, and this user may not open it`, todo);
  }
}

function portsThere(): string {
  try {
    return (
      readdirSync(BY_ID)
        .map((name) => `${BY_ID}/${name}`)
        .join(", ") || "no port"
    );
  } catch {
    return "no port";
  }
}

/** What the counters say of a stream, over all its runs. */
function readFindings({ name }: StreamSettings, { record }: Patient): readonly Finding[] {
  const counters = record?.report.counters[name];
  if (counters === undefined) return [];
  const good = counters["frames-good"] ?? 0;
  const badSum = badFrames(counters);
  const text = `${good} good frames, ${badSum} bad ones, ${counters["reconnects"] ?? 0} times without a line`;
  const about = `source ${name}`;
  if (good === 0)
    return [
      warn(
        about,
        `${text}: nothing was read yet`,
        "check cable, port and speed; try tally-agent decode on a capture",
      ),
    ];
  return [
    badSum > good / 10
      ? warn(about, text, "more than a tenth is bad: check cable length, baudRate, parity")
      : ok(about, text),
  ];
}
