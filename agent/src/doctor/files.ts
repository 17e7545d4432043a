/**
 * Files and folders: nobody else may change them, and secrets are nobody else's to read.
 *
 * @module
 */
import { statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { permissionFindings, userOf, warn, type Finding, type Guarded } from "@tallystick/evidence/node";
import { DATABASE_FILE } from "../storage/storage.ts";
import type { Patient } from "./patient.ts";

export function fileFindings({ file, settings, pid, record }: Patient): readonly Finding[] {
  const { data, broker } = settings;
  const secrets = [broker.passwordFile, broker.tls?.key].filter((path) => path !== undefined);
  const guarded: readonly Guarded[] = [
    { path: file, kind: "own" },
    { path: data, kind: "own", optional: record === undefined },
    { path: join(data, DATABASE_FILE), kind: "own", optional: true },
    ...secrets.map((path) => ({ path, kind: "secret" as const })),
    ...settings.programs.flatMap(({ command }) => codeOf(command)),
  ];
  return [...permissionFindings("permissions", guarded), ...ownerFindings(data, pid ?? undefined)];
}

/** What a program runs: its file, and its script where that is an interpreter. Who may change it may sign as this device. */
const codeOf = ([file = "", script = ""]: readonly string[]): readonly Guarded[] =>
  [file, script]
    .filter((path) => isAbsolute(path) && statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .map((path) => ({ path, kind: "own" }));

/** The data belong to whoever runs the agent: else it can't write there tomorrow. */
function ownerFindings(data: string, pid: number | undefined): readonly Finding[] {
  const owner = statSync(data, { throwIfNoEntry: false })?.uid;
  const user = pid === undefined ? undefined : userOf(pid);
  if (owner === undefined || user === undefined || user === owner || user === 0) return [];
  const text = `${data} belongs to user ${owner}, and the agent runs as user ${user}`;
  return [warn("permissions", text, `run it as the owner, or: chown -R ${user} ${data}`)];
}
