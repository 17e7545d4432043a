/**
 * The classes of lines that lay claim to the same event, or to the events of one trip. Pure: what goes in decides what comes out.
 *
 * @module
 */
import type { LineClass } from "./body.ts";
import type { LineType } from "./lines.ts";
import type { Asked, Expected, Proof, Rules } from "./rules.ts";

export type Settling = Asked & {
  readonly n: number;
  readonly type: LineType;
  /** From matching: why the line is ambiguous. */
  readonly remark: string | null;
};

export type Verdict = {
  readonly n: number;
  readonly class: LineClass;
  readonly reason: string;
  readonly head: number | null;
  readonly expected: number | null;
};

/** A signed adjustment of an event. */
export type Adjustment = { readonly id: number; readonly minor: number; readonly currency: string };

export type Settled = {
  readonly verdicts: readonly Verdict[];
  /** Adjustments that the lines have taken into account. */ readonly used: readonly number[];
};

/**
 * Settles all lines of one event: at most one charge stands, unless others were taken back in full; adjustments and refunds rest on the event.
 *
 * @param lines - in the order of the export
 */
export function settleEvent(
  proof: Proof,
  lines: readonly Settling[],
  adjustments: readonly Adjustment[],
  rules: Rules,
): Settled {
  const verdicts: Verdict[] = [];
  const used = new Set<number>();
  const say = (line: Settling, name: LineClass, reason: string, expected: number | null = null): void =>
    void verdicts.push({ n: line.n, class: name, reason, head: proof.id, expected });
  const present = lines.filter((line) => {
    const other =
      line.type === "charge"
        ? rules.otherPeriod(line.t, proof.t)
        : rules.otherPeriodOfChange(line.t, proof.t);
    const doubt = proof.forked ? "superseded-twice" : line.remark;
    if (other !== undefined) say(line, "out-of-period", other);
    else if (doubt !== null) say(line, "ambiguous", doubt);
    return other === undefined && doubt === null;
  });
  const charges = present.filter(({ type }) => type === "charge");
  const changes = present.filter(({ type }) => type !== "charge");
  const reversed = reversals(charges, changes);
  const standing = charges.filter((line) => !reversed.has(line));
  const agreeing = (line: Settling): boolean => compare(proof, line, rules).class === "billed-and-proven";
  const first = standing.length > 1 ? (standing.find(agreeing) ?? standing[0]) : standing[0];
  for (const change of changes) {
    const signed = adjustments.find(
      ({ id, minor, currency }) => !used.has(id) && minor === change.minor && currency === change.currency,
    );
    if (signed !== undefined) used.add(signed.id);
  }
  for (const line of charges) {
    if (reversed.has(line)) say(line, "adjusted", "reversed");
    else if (line !== first) say(line, "charged-twice", "same-event", 0);
    else {
      const { class: name, reason, expected } = withAdjustments(proof, line, adjustments, used, rules);
      say(line, name, reason, expected);
    }
  }
  let left = balance(charges, proof);
  for (const change of changes) {
    const signed = adjustments.some(
      ({ id, minor, currency }) => used.has(id) && minor === change.minor && currency === change.currency,
    );
    left = left === undefined || change.minor === null ? undefined : left + change.minor;
    if (left !== undefined && left < 0) say(change, "amount-differs", "refunded-more-than-charged", 0);
    else say(change, "adjusted", signed ? "adjustment-proven" : "base-proven", signed ? change.minor : null);
  }
  return { verdicts, used: [...used] };
}

/** Charges that were taken back in full, so that another one could take their place. */
function reversals(charges: readonly Settling[], changes: readonly Settling[]): Set<Settling> {
  const reversed = new Set<Settling>();
  if (charges.length < 2) return reversed;
  for (const { minor, currency } of changes) {
    const found = charges.find(
      (line) =>
        !reversed.has(line) &&
        line.minor !== null &&
        line.minor === -(minor ?? 0) &&
        line.minor !== 0 &&
        line.currency === currency,
    );
    if (found !== undefined) reversed.add(found);
  }
  return reversed;
}

/** What was charged for the event, here or, where no line is here, by the event's own word. */
function balance(charges: readonly Settling[], { minor }: Proof): number | undefined {
  if (charges.length === 0) return minor ?? undefined;
  return charges.reduce<number | undefined>(
    (sum, line) => (sum === undefined || line.minor === null ? undefined : sum + line.minor),
    0,
  );
}

type Compared = { readonly class: LineClass; readonly reason: string; readonly expected: number | null };

/** A charge beside its event alone. */
function compare(proof: Proof, line: Settling, rules: Rules): Compared {
  return compareAmounts(rules.expected([proof], line), line, rules);
}

function compareAmounts(expected: ReturnType<Rules["expected"]>, line: Asked, rules: Rules): Compared {
  if (expected === undefined) return { class: "amount-not-attested", reason: "no-amount", expected: null };
  const { minor, currency } = expected;
  if (line.minor === null) return { class: "amount-differs", reason: "no-amount-billed", expected: minor };
  if (line.currency !== currency)
    return { class: "amount-differs", reason: "other-currency", expected: null };
  if (!rules.agree(line.minor, minor, currency)) {
    const reason = line.minor > minor ? "charged-too-much" : "charged-too-little";
    return { class: "amount-differs", reason, expected: minor };
  }
  return {
    class: "billed-and-proven",
    reason: line.discount === null ? "" : "with-discount",
    expected: minor,
  };
}

/** As {@link compare}; where that fails, with all adjustments that no line of their own passes on. */
function withAdjustments(
  proof: Proof,
  line: Settling,
  adjustments: readonly Adjustment[],
  used: Set<number>,
  rules: Rules,
): Compared {
  const alone = compare(proof, line, rules);
  const open = adjustments.filter(({ id, currency }) => !used.has(id) && currency === line.currency);
  if (alone.class !== "amount-differs" || alone.expected === null || line.minor === null || open.length === 0)
    return alone;
  const expected = open.reduce((sum, { minor }) => sum + minor, alone.expected);
  if (!rules.agree(line.minor, expected, line.currency ?? "")) return alone;
  for (const { id } of open) used.add(id);
  return { class: "billed-and-proven", reason: "with-adjustments", expected };
}

/** A line of a trip: its events, how many of its keys have none, and whether an earlier line has had one of them. */
export type TripLine = Settling & {
  readonly proofs: readonly Proof[];
  readonly missing: number;
  readonly taken: boolean;
  readonly several: boolean;
};

/**
 * Settles the charges of a trip: their sum beside that of all its events. A trip that isn't proven as a whole is settled line by line.
 *
 * @param lines - in the order of the export
 */
export function settleTrip(lines: readonly TripLine[], rules: Rules): Verdict[] {
  const faults = lines.map((line) => tripFault(line, rules));
  const events = lines
    .flatMap(({ proofs }) => proofs)
    .toSorted((a, b) => (a.t ?? 0) - (b.t ?? 0) || a.id - b.id);
  const [lead] = lines;
  const whole = faults.every((fault) => fault === undefined);
  const sum = lead === undefined || !whole ? undefined : tripSum(lines, lead, events, rules);
  return lines.map((line, i) => {
    const head = line.proofs[0]?.id ?? null;
    const fault = faults[i];
    if (fault !== undefined) return { n: line.n, head, ...fault };
    if (sum === undefined)
      return { n: line.n, head, ...compareAmounts(rules.expected(line.proofs, line), line, rules) };
    // Each line bears what its own events ask for; what is asked for the trip as a whole, the first one.
    const own = lines.length === 1 ? sum.expected : (rules.expected(line.proofs, line)?.minor ?? null);
    const share = sum.byTrip ? (i === 0 ? sum.expected : 0) : own;
    return { n: line.n, head, class: sum.class, reason: sum.reason, expected: share };
  });
}

function tripSum(
  lines: readonly TripLine[],
  lead: TripLine,
  events: readonly Proof[],
  rules: Rules,
): (Compared & { readonly byTrip: boolean }) | undefined {
  let minor = 0;
  for (const line of lines) {
    if (line.minor === null && line.currency !== null && lines.length === 1) return undefined;
    if (line.currency !== lead.currency) return undefined;
    minor += line.minor ?? 0;
  }
  if (!Number.isSafeInteger(minor)) return undefined;
  const expected = rules.byTrip ? rules.expected(events, lead) : sumOf(lines, rules);
  const compared = compareAmounts(expected, { ...lead, minor }, rules);
  const reason = compared.class === "amount-differs" ? `trip-${compared.reason}` : compared.reason;
  return { ...compared, reason: lines.length === 1 ? compared.reason : reason, byTrip: rules.byTrip };
}

/** What the lines' events ask for together, each with the discount of its own line. */
function sumOf(lines: readonly TripLine[], rules: Rules): Expected | undefined {
  const all = lines.map((line) => rules.expected(line.proofs, line));
  const [first] = all;
  if (first === undefined || all.some((one) => one?.currency !== first.currency)) return undefined;
  const minor = all.reduce((sum, one) => sum + (one?.minor ?? 0), 0);
  return Number.isSafeInteger(minor) ? { minor, currency: first.currency } : undefined;
}

function tripFault(
  { t, proofs, missing, taken, several, remark }: TripLine,
  rules: Rules,
): { readonly class: LineClass; readonly reason: string; readonly expected: number | null } | undefined {
  const fault = (name: LineClass, reason: string, expected: number | null = null) => ({
    class: name,
    reason,
    expected,
  });
  if (proofs.length === 0) {
    const other = rules.otherPeriod(t, null);
    return other === undefined ? fault("billed-not-proven", "no-event") : fault("out-of-period", other);
  }
  const others = proofs.map((proof) => rules.otherPeriod(t, proof.t));
  const other = others.find((one) => one !== undefined);
  // A trip over the end of the period is of the period in which any of it lies.
  if (other !== undefined && others.every((one) => one !== undefined)) return fault("out-of-period", other);
  if (proofs.some(({ forked }) => forked)) return fault("ambiguous", "superseded-twice");
  if (remark !== null) return fault("ambiguous", remark);
  if (several) return fault("ambiguous", "key-twice");
  if (missing > 0) return fault("billed-not-proven", "passage-missing");
  return taken ? fault("charged-twice", "same-event", 0) : undefined;
}
