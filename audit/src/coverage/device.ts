/**
 * What a device says of itself on `sys`, and when it was heard: what its streams need to know, and its own row of the result.
 *
 * @module
 */
import { equalBytes, SYSTEM_STREAM, type Scope } from "@tallystick/evidence";
import type { DeviceCoverage } from "./body.ts";
import type { FindingList } from "./findings.ts";
import { SECOND_US, type Days } from "./moments.ts";
import { chainKey, gapsOf, micros, sealedUs, type GapEvent } from "./said.ts";
import type { Step } from "./sample-walk.ts";
import type { EventRow, FactsView, StreamName } from "./view.ts";

/** What of boot evidence is compared from start to start; hashes hexadecimal. */
type Evidence = {
  readonly software: { readonly version: string };
  readonly files: { readonly hash: string };
  readonly machine?: string | undefined;
  readonly kid: Uint8Array;
};

/** The parts of chains that the evidence says it has, by `iss/sub`. */
type Scopes = ReadonlyMap<string, readonly Scope[]>;

export class Device {
  readonly iss: string;
  readonly #view: FactsView;
  readonly #sys: number | undefined;
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
  cover(days: Days, findings: FindingList, scopes: Scopes): DeviceCoverage {
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
    const silence = this.#silence(days, findings, name, scopes);
    return { iss: this.iss, ...silence, told: this.#isTold(days), starts: starts.length, versions };
  }

  #events(kind: string): readonly EventRow[] {
    return this.#sys === undefined ? [] : this.#view.events(this.#sys, kind);
  }

  /** Something of `sys` is here that was sealed in the period. */
  #isTold(days: Days): boolean {
    return ["heads", "boot"].some((kind) =>
      this.#events(kind).some((row) => {
        const us = sealedUs(row);
        return us !== null && days.has(us);
      }),
    );
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

  /** Stretches between two commits that are longer than the enrolment allows. */
  #silence(
    days: Days,
    findings: FindingList,
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
