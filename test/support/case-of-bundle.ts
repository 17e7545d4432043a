/**
 * The case that holds what a bundle of a {@link World} holds: the same statements with the same receipts, at the same checkpoint, and the whole registry.
 *
 * @module
 */
import {
  compareBytes,
  encodeUtf8,
  equalBytes,
  parseCheckpoint,
  parseNote,
  parseReceipt,
  parseTransparent,
  toHex,
  type Bundle,
} from "@tallystick/evidence";
import type { CaseChain } from "../../audit/src/case/manifest.ts";
import { CaseWriter } from "../../audit/src/case/write.ts";
import { compareNames } from "../../audit/src/facts/build.ts";
import type { World } from "./world.ts";

const LATE = 2 ** 40;

/** @throws Error where the world never signed the tree of the bundle's checkpoint */
export async function caseOfBundle(
  world: World,
  bundle: Bundle,
  place: string,
  policy: string,
): Promise<void> {
  const note = encodeUtf8(bundle.logs[0]?.checkpoint ?? "");
  const { origin, size, root } = parseCheckpoint(parseNote(note).text);
  const at = world.batches.find((batch) => batch.size === size);
  if (at === undefined) throw new Error("another world's checkpoint");
  const placed = bundle.statements.map((bytes) => {
    const { statement, receipts } = parseTransparent(bytes);
    const { iss, sub, ch = new Uint8Array(), seq } = statement.claims;
    const index = parseReceipt(receipts[0] ?? new Uint8Array()).proofs[0]?.index ?? 0;
    return { bytes, statement, iss, sub, ch, seq, index };
  });
  // In a case a statement stands once.
  const once = [...new Map(placed.map((one) => [toHex(one.statement.hash), one])).values()];
  const chains = [...Map.groupBy(once, ({ iss, sub, ch }) => `${iss}/${sub}/${toHex(ch)}`).values()]
    .map((members) => members.toSorted((a, b) => a.seq - b.seq || a.index - b.index))
    .toSorted(([a], [b]) => {
      if (a === undefined || b === undefined) return 0;
      return compareNames(a, b) || a.index - b.index || compareBytes(a.ch, b.ch);
    });
  const writer = await CaseWriter.create(place);
  const items = world.itemsAt(size);
  for (const item of items) await writer.registry(world.transparent(item, world.firstOf(item), at));
  const named: CaseChain[] = [];
  let count = 0;
  for (const members of chains) {
    const [first] = members;
    if (first === undefined) continue;
    for (const { bytes } of members) await writer.statement(bytes);
    count += members.length;
    const { iss, sub, ch } = first;
    const scope = bundle.scope.find((one) => one.iss === iss && one.sub === sub && equalBytes(one.ch, ch));
    const range = { from: scope?.from ?? first.seq, to: scope?.to ?? members.at(-1)?.seq ?? first.seq };
    const heads = placed.find(({ statement: { event, claims } }) => {
      if (event?.kind !== "heads" || claims.iss !== iss) return false;
      return event.heads.some((head) => head.sub === sub && equalBytes(head.ch, ch) && head.seq === range.to);
    });
    const attested = heads === undefined ? null : { seq: range.to, heads: heads.statement.hash };
    named.push({ iss, sub, ch, ...range, attested, count: members.length });
  }
  for (const { from, path } of bundle.consistency.toSorted((a, b) => a.from - b.from))
    await writer.consistency(from, path);
  const manifest = {
    origin,
    size,
    root,
    url: "",
    purpose: "",
    access: null,
    // A bundle claims its scope and no period: nothing was named within this one.
    from: LATE,
    to: LATE + 1,
    streams: bundle.scope.map(({ iss, sub }) => ({ iss, sub })),
    chains: named,
    withheld: [],
    entries: { log: size, here: items.length + count },
  };
  await writer.finish(manifest, note, encodeUtf8(policy));
}
