/**
 * The log's key, the operator's, and who else may read or change what this anchor has.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { equalBytes, formatVkey } from "@tallystick/evidence";
import {
  fail,
  loadSigner,
  ok,
  permissionFindings,
  type Finding,
  type Guarded,
} from "@tallystick/evidence/node";
import type { Patient } from "./patient.ts";

export function logKeyFindings({ places, record }: Patient): readonly Finding[] {
  const about = "log key";
  if (!existsSync(places.logKey))
    return [
      fail(
        about,
        `${places.logKey}: it isn't there`,
        "put the copy back that was kept apart; without it the log has ended (docs/operations.md)",
      ),
    ];
  const { key } = loadSigner(places.logKey); // says what is wrong with it
  if (record === undefined) return [ok(about, `${places.logKey}, and no log to hold it against`)];
  return equalBytes(key.kid, record.kid)
    ? [ok(about, formatVkey(record.origin, key))]
    : [
        fail(
          about,
          `${places.logKey} is not the key of ${record.origin}`,
          "put the log's own key there; nothing is signed by another",
        ),
      ];
}

export function operatorKeyFindings({ places }: Patient): readonly Finding[] {
  return existsSync(places.operatorKey)
    ? [
        ok(
          "operator",
          "an operator's key is on this machine: whoever takes it over can enrol devices, in public; it may live elsewhere",
        ),
      ]
    : [ok("operator", "no operator's key is on this machine")];
}

export function fileFindings({ file, config, places }: Patient): readonly Finding[] {
  const { broker, alarms, data } = config;
  const secrets = [broker.passwordFile, broker.tls.key, alarms.secretFile, config.public?.tls.key].filter(
    (path) => path !== undefined,
  );
  const guarded: readonly Guarded[] = [
    ...(file === undefined ? [] : [{ path: file, kind: "own" as const }]),
    { path: data, kind: "own" },
    { path: places.database, kind: "own" },
    { path: places.public, kind: "own", optional: true },
    { path: places.inbox, kind: "own", optional: true },
    { path: places.logKey, kind: "secret", optional: true },
    { path: places.operatorKey, kind: "secret", optional: true },
    { path: places.anchorKey, kind: "secret", optional: true },
    { path: places.tokens, kind: "own", optional: true },
    { path: places.trail, kind: "own", optional: true },
    ...secrets.map((path) => ({ path, kind: "secret" as const })),
  ];
  return permissionFindings("permissions", guarded);
}
