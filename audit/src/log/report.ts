/**
 * Turns what was derived about a log into findings, each under the check that it belongs to and with its own cause.
 *
 * @module
 */
import { equalBytes } from "@tallystick/evidence";
import { counted, type LogCheck, type LogFindings } from "../judgement.ts";
import type { LogIdentity } from "./facts.ts";
import type { OlderNote } from "./note.ts";
import type { Chain } from "./registry-chain.ts";
import type { Replay } from "./registry-replay.ts";
import type { Walked } from "./walk.ts";

/** Reports the codes of the walk's findings under `entries`, `tiles` and `root`. */
export function reportWalk(walked: Walked, log: LogIdentity, findings: LogFindings): void {
  const { root, entryBundles, tiles, findingCount } = walked;
  for (const { code, path, reason } of walked.findings) findings.failed(checkOf(path), code, reason);
  const unlisted = findingCount - walked.findings.length;
  if (unlisted > 0) findings.notDone("tiles", `${unlisted} more files are missing or altered and not listed`);
  findings.passed("entries", `${log.size} entries in ${counted(entryBundles, "bundle")}`);
  findings.passed("tiles", counted(tiles, "tile"));
  if (root === undefined) findings.notDone("root", "too much is missing to derive the root");
  else if (equalBytes(root, log.root))
    findings.passed("root", "derived from the entries, as the checkpoint signs it");
}

const checkOf = (path: string): LogCheck =>
  path === "checkpoint" ? "root" : path.startsWith("tile/entries/") ? "entries" : "tiles";

/** Reports `log-fork` where the log was not grown from the older checkpoint. */
export function compareOlder(
  since: OlderNote | undefined,
  older: { readonly size: number; readonly root: Uint8Array } | undefined,
  { roots }: Walked,
  findings: LogFindings,
): void {
  if (since === undefined) {
    findings.notDone("since", "no older checkpoint was given: that the log only grew was not checked");
    return;
  }
  if (older === undefined) return; // reported when it was opened
  const derived = roots.get(older.size);
  if (derived === undefined) {
    findings.notDone(
      "since",
      `${since.name}: the root at size ${older.size} could not be derived from what is published`,
    );
  } else if (equalBytes(derived, older.root)) {
    findings.passed("since", `only grew from the ${older.size} entries of ${since.name}`);
  } else {
    findings.failed(
      "since",
      "log-fork",
      `${since.name}: its tree of size ${older.size} is none of this log's history`,
    );
  }
}

/** The registry as published, as placed in the log, and as replayed. */
type Registry = {
  readonly chain: Chain;
  /** Items found among the entries. */
  readonly placed: number;
  readonly replay: Replay;
  readonly walked: Walked;
  /** The log has a newer checkpoint by now. */
  readonly grown: boolean;
};

/** Reports the chain's finding, `registry-mismatch`, `entry-zero`, and what the replay refuses. */
export function reportRegistry(
  { chain, placed, replay, walked, grown }: Registry,
  findings: LogFindings,
): void {
  if (chain.finding !== undefined) findings.failed("registry", chain.finding.code, chain.finding.reason);
  if (placed < chain.count) reportUnplaced(chain.count - placed, placed, { walked, grown }, findings);
  findings.passed("registry", `${counted(placed, "item")}, each at its place in the log`);
  findings.passed("key-state", `follows from ${counted(replay.state.count, "item")}`);
  if (replay.fault !== undefined) findings.failed("key-state", replay.fault.code, replay.fault.reason);
}

function reportUnplaced(
  items: number,
  first: number,
  { walked, grown }: Pick<Registry, "walked" | "grown">,
  findings: LogFindings,
): void {
  const what = `${items === 1 ? "item" : `${items} items from`} ${first}${items === 1 ? "" : " on"}`;
  if (walked.findings.some(({ path }) => path.startsWith("tile/entries/"))) {
    findings.notDone("registry", `${what}: not looked for, because entries are missing or altered`);
  } else if (grown) {
    findings.notDone(
      "registry",
      `${what}: the log has grown since, the checkpoint that was read does not cover them`,
    );
  } else {
    findings.failed(
      "registry",
      "registry-mismatch",
      `${what}: published in the registry, and not among the entries of the log`,
    );
  }
}
