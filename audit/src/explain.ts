/**
 * What a code means for the one who holds the evidence, and what would lift it or what to get: a sentence each.
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";

type Explained = { readonly means: string; readonly lift: string };

/** Codes that restrict a verdict, or leave it open. Codes of what is wrong need no second sentence: the check gives the reason. */
const EXPLAINED: Partial<Record<EvidenceCode, Explained>> = {
  "no-witness": {
    means: "Nobody independent confirms this log's history: its operator could show others another one.",
    lift: "a trust policy with a quorum of witnesses, and a checkpoint that they cosigned",
  },
  "operators-not-pinned": {
    means: "Which key is whose device rests on the log's key alone.",
    lift: "an `operator` line in the trust policy for the organisation",
  },
  "operator-unpinned": {
    means: "The trust policy pins operators of other organisations, and none of this one.",
    lift: "an `operator` line in the trust policy for this organisation, or for `*`",
  },
  "tail-not-attested": {
    means:
      "The device has not confirmed here that this was its last statement at some time: later ones may have been left out.",
    lift: "a bundle that reaches to the next `heads` statement of the device",
  },
  hole: {
    means: "Numbers within the period claimed are not in the file.",
    lift: "a bundle with the missing statements; where nobody has them, the hole is a finding",
  },
  gap: {
    means: "The device itself signed that something is missing.",
    lift: "nothing: it is part of the evidence",
  },
  discontinuity: {
    means:
      "The chain begins after a loss, and no operator's re-enrolment covers that: what came before is not tied to it.",
    lift: "nothing by now: a re-enrolment comes before the chain that it covers",
  },
  "declared-suspect-later": {
    means:
      "The key was later declared suspect from a time before this statement, or an operator's key from a time before it brought this one.",
    lift: "nothing by itself: ask the operator for the reason",
  },
  "index-not-attested": {
    means:
      "The receipt is of other log software: the statement is in that log, at no proven place and no proven time.",
    lift: "a receipt with a signed size",
  },
  "time-reversed": {
    means:
      "The log's commit times run backwards: its clock, or its operator, can't be believed for when anything came to it.",
    lift: "nothing by itself: ask the log's operator for the reason",
  },
  "log-unknown": {
    means: "The evidence is of a log that your trust policy does not name.",
    lift: "a `log` line for it in the trust policy, if you trust it",
  },
  "registry-missing": {
    means: "Whose key signed this stands in the log's registry, which is not at hand.",
    lift: "--log with the log's public directory or address, or a bundle instead of the single statement",
  },
  "receipt-missing": {
    means: "Without a receipt nothing says that the log has this statement, or since when.",
    lift: "the transparent statement or a bundle from the archive",
  },
  "quorum-unmet": {
    means: "Fewer witnesses cosigned the checkpoint than the trust policy demands.",
    lift: "a checkpoint (or a bundle) that the witnesses cosigned",
  },
  "key-unknown": {
    means: "The registry at hand has no such key.",
    lift: "a newer copy of the registry, or a bundle",
  },
  "key-state": {
    means: "The state of a key or its operator is not in the file.",
    lift: "a bundle that brings the states of all keys used",
  },
  "bundle-scope": {
    means: "The file claims a period of which it holds nothing.",
    lift: "a bundle that holds what it claims",
  },
  unreachable: {
    means: "The place gave no answer, so nothing can be said.",
    lift: "the right place, or the same again later",
  },
  "http-answer": {
    means: "The server gave another answer than a log's, so nothing can be said.",
    lift: "the right address, or the same again later",
  },
};

export const explain = (code: EvidenceCode): Explained | undefined => EXPLAINED[code];
