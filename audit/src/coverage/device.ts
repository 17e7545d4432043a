/**
 * What a device says of itself on `sys`, and when it was heard: what its streams need to know, and its own row of the result.
 *
 * @module
 */
import { equalBytes, SYSTEM_STREAM, toHex } from "@tallystick/evidence";
import type { DeviceCoverage } from "./body.ts";
import { tellPart } from "./chain-cover.ts";
import type { CoverMeans } from "./chains.ts";
import type { Erasures } from "./erasures.ts";
import type { FindingList } from "./findings.ts";
import { SECOND_US, type Days } from "./moments.ts";
import { explain, type Said } from "./numbers.ts";
import { chainKey, gapsOf, micros, sealedUs, type GapEvent } from "./said.ts";
import type { Step } from "./sample-walk.ts";
import type { Hole } from "./scan.ts";
import type { EventRow, FactsView, StreamName } from "./view.ts";

/** What of boot evidence is compared from start to start; hashes hexadecimal. */
type Evidence = {
  readonly software: { readonly version: string };
  readonly files: { readonly hash: string };
  readonly machine?: string | undefined;
  readonly kid: Uint8Array;
};

type Scopes = CoverMeans["scopes"];

export class Device {
  readonly iss: string;
  readonly #view: FactsView;
  readonly #sys: number | undefined;
  /** Something of the chain walked last is of the period. */
  #isHere = false;
  readonly #gaps: ReadonlyMap<string, readonly GapEvent[]>;
  /** In the order in which they were told. */
  readonly steps: readonly Step[];

  constructor(view: FactsView, iss: string) {
    this.iss = iss;
    this.#view = view;
    this.#sys = view.stream({ iss, sub: SYSTEM_STREAM })?.id;
    const told = gapsOf(this.#events("gap"));
    this.#gaps = Map.groupBy(
      told.flatMap((gap) => (gap.of === null ? [] : [gap])),
      ({ of }) => chainKey(of?.sub ?? "", of?.ch ?? ""),
    );
    this.steps = this.#events("clock-step").map(({ body }) => {
      const { before, after } = JSON.parse(body) as { before: string; after: string };
      return { beforeUs: micros(before), afterUs: micros(after) };
    });
  }

  /** Gaps that are told on `sys` of a chain that has ended. */
  gapsOf(sub: string, ch: Uint8Array): readonly GapEvent[] {
    return this.#gaps.get(chainKey(sub, ch)) ?? [];
  }

  /** The row of the device, and what is to be said of it. */
  cover({ days, findings, scopes, erasures }: CoverMeans): DeviceCoverage {
    const name = { iss: this.iss, sub: SYSTEM_STREAM };
    const within = (rows: readonly EventRow[]): readonly (EventRow & { readonly us: number })[] =>
      rows.flatMap((row) => {
        const us = sealedUs(row);
        return us !== null && days.has(us) ? [{ ...row, us }] : [];
      });
    const boots = this.#events("boot");
    const starts = within(boots);
    for (const { body, us, seq } of starts) {
      const { version, alive } = JSON.parse(body) as { version: string; alive?: number };
      const says = `version ${version}${alive === undefined ? "" : `, known alive ${us / SECOND_US - alive} s before`}`;
      findings.add("restart", name, says, { fromUs: us, toUs: us, seqs: { from: seq, to: seq } });
    }
    const versions = this.#versions(boots, days, findings, name);
    this.#evidence(days, findings, name);
    for (const { body, us } of within(this.#events("config-changed"))) {
      const { hash } = JSON.parse(body) as { hash: string };
      findings.add("configuration", name, `SHA-256 ${hash}`, { fromUs: us, toUs: us });
    }
    for (const { body, us } of within(this.#events("clock-step"))) {
      const { before, after } = JSON.parse(body) as { before: string; after: string };
      const says = `from ${before} to ${after} (Unix seconds)`;
      findings.add("clock-step", name, says, { fromUs: us, toUs: us });
    }
    this.#refused(within(this.#events("refused")), findings);
    const told = this.#isTold(days, findings, scopes, erasures);
    const silence = this.#silence(days, told ? findings : undefined, name, scopes);
    return { iss: this.iss, ...silence, told, starts: starts.length, versions };
  }

  #events(kind: string): readonly EventRow[] {
    return this.#sys === undefined ? [] : this.#view.events(this.#sys, kind);
  }

  /** Whether its `sys` is here for the period; what a case lacks of it is told. A bundle of another stream has but some heads, and nothing is missing. */
  #isTold(days: Days, findings: FindingList, scopes: Scopes, erasures: Erasures): boolean {
    if (this.#sys === undefined) return false;
    const name = { iss: this.iss, sub: SYSTEM_STREAM };
    const asked = scopes.get(`${this.iss}/${SYSTEM_STREAM}`) ?? [];
    let [isHere, isWhole] = [false, true];
    for (const { id, ch } of this.#view.chains(this.#sys)) {
      const isAsked = asked.some((one) => equalBytes(one.ch, ch));
      const said: Said[] = isAsked ? [...erasures.said(name, ch)] : [];
      for (const hole of this.#holes(id, days, said)) {
        isWhole = false;
        if (!isAsked) continue;
        for (const part of explain([hole], said)) tellPart(name, toHex(ch), part, hole, findings);
      }
      isHere ||= this.#isHere;
    }
    return isHere && isWhole;
  }

  /** What is missing of a chain of `sys` between statements of which one, or both, are of the period. @param said - gets what is here and proves nothing */
  *#holes(chain: number, days: Days, said: Said[]): Generator<Hole> {
    this.#isHere = false;
    let before: { readonly seq: number; readonly us: number } | undefined;
    for (const row of this.#view.statements(chain)) {
      const us = sealedUs(row);
      if (row.standing === "bad" || row.standing === "unproven") {
        said.push({ from: row.seq, to: row.seq, cause: "bad", why: row.code });
        continue;
      }
      if (us === null || row.seq === before?.seq) continue;
      const meets = us >= days.fromUs && (before?.us ?? -Infinity) < days.toUs;
      const next = (before?.seq ?? -1) + 1;
      if (meets && row.seq > next)
        yield { from: next, to: row.seq - 1, fromUs: before?.us ?? null, toUs: us };
      if (days.has(us)) this.#isHere = true;
      before = { seq: row.seq, us };
    }
  }

  #versions(
    boots: readonly EventRow[],
    days: Days,
    findings: FindingList,
    name: StreamName,
  ): readonly string[] {
    const versions: string[] = [];
    let known: string | undefined;
    for (const row of boots) {
      const us = sealedUs(row);
      const { version } = JSON.parse(row.body) as { version: string };
      if (us !== null && days.has(us)) {
        if (versions.at(-1) !== version) versions.push(version);
        if (known !== undefined && known !== version)
          findings.add("software", name, `version ${known}, then ${version}`, { fromUs: us, toUs: us });
      }
      known = version;
    }
    return versions;
  }

  /** Boot evidence (docs/formats.md section 5): other files under the same version, or another machine under the same key. */
  #evidence(days: Days, findings: FindingList, name: StreamName): void {
    let known: Evidence | undefined;
    for (const row of this.#events("eat")) {
      const us = sealedUs(row);
      const { software, files, machine } = JSON.parse(row.body) as Omit<Evidence, "kid">;
      const said = { software, files, machine, kid: row.kid };
      if (known !== undefined && us !== null && days.has(us)) {
        const where = { fromUs: us, toUs: us, seqs: { from: row.seq, to: row.seq } };
        // Another version is told by the start itself.
        if (known.files.hash !== files.hash && known.software.version === software.version) {
          const says = `version ${software.version}, of other files: ${known.files.hash}, then ${files.hash}`;
          findings.add("software", name, says, where);
        }
        if (known.machine !== machine && equalBytes(known.kid, row.kid)) {
          const says = `machine ${known.machine ?? "unknown"}, then ${machine ?? "unknown"}, under the same key`;
          findings.add("other-machine", name, says, where);
        }
      }
      known = said;
    }
  }

  #refused(rows: readonly (EventRow & { readonly us: number })[], findings: FindingList): void {
    for (const { body, us } of rows) {
      const { seq, hash, code, sub } = JSON.parse(body) as {
        seq: number;
        hash: string;
        code: string;
        sub?: string;
      };
      const says = `${hash}: ${code}, as the log said to the device`;
      const of = { iss: this.iss, sub: sub ?? SYSTEM_STREAM };
      findings.add("refused", of, says, { fromUs: us, toUs: us, seqs: { from: seq, to: seq } });
    }
  }

  /** Stretches between two commits that are longer than the enrolment allows. @param findings - undefined where `sys` is not here: then nobody knows */
  #silence(
    days: Days,
    findings: FindingList | undefined,
    name: StreamName,
    scopes: Scopes,
  ): Pick<DeviceCoverage, "silenceS" | "longestS"> {
    const begins = this.#beginnings(scopes);
    let silenceS: number | null = null;
    let longestS: number | null = null;
    let last: number | undefined;
    const stretch = (fromS: number, toS: number, allowed: number | null): void => {
      const [from, to] = [fromS * SECOND_US, toS * SECOND_US];
      if (to < days.fromUs || from >= days.toUs) return;
      if (findings === undefined) return;
      longestS = Math.max(longestS ?? 0, toS - fromS);
      if (allowed === null || toS - fromS <= allowed) return;
      const { sealed, longest } = this.#sealedBetween(fromS, toS);
      const where = { fromUs: from, toUs: to, count: toS - fromS };
      const says = `nothing committed for ${toS - fromS} s, ${allowed} s are allowed`;
      // It spoke all the time, and wasn't heard: its statements came later.
      if (longest > allowed) findings.add("silence", name, says, where);
      else findings.add("heard-late", name, `${says}; ${sealed} statements were sealed meanwhile`, where);
    };
    const limits = new Map<string, number | null>();
    for (const { committed, kid, chain, seq } of this.#view.commits(this.iss)) {
      if (seq < (begins.get(chain) ?? 0)) continue;
      if (last !== undefined && committed > last) stretch(last, committed, silenceS);
      last = committed;
      const key = Buffer.from(kid).toString("hex");
      let limit = limits.get(key);
      if (limit === undefined) limits.set(key, (limit = this.#view.silenceOf(kid) ?? null));
      silenceS = limit;
    }
    const end = Math.min(this.#view.newestCommit, days.toUs / SECOND_US);
    if (last !== undefined && end > last) stretch(last, end, silenceS);
    return { silenceS, longestS };
  }

  /** First number of each chain that was asked for: an opening that stands apart from it was committed long before, and nothing between was. */
  #beginnings(scopes: Scopes): ReadonlyMap<number, number> {
    return new Map(
      this.#view.chainsOfDevice(this.iss).map(({ id, sub, ch }) => {
        const parts = (scopes.get(`${this.iss}/${sub}`) ?? []).filter((one) => equalBytes(one.ch, ch));
        return [id, parts.length === 0 ? 0 : Math.min(...parts.map(({ from }) => from))];
      }),
    );
  }

  /** Statements that were sealed in a stretch, and the longest part of it without any. */
  #sealedBetween(fromS: number, toS: number): { readonly sealed: number; readonly longest: number } {
    let [sealed, longest, last] = [0, 0, fromS];
    for (const iat of this.#view.sealings(this.iss, fromS, toS)) {
      sealed++;
      longest = Math.max(longest, iat - last);
      last = iat;
    }
    return { sealed, longest: Math.max(longest, toS - last) };
  }
}
