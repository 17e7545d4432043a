/**
 * The keys that signed, and how each came to be known: its item in the register, the operators behind it, the pin in the trust policy.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { fromHex, parseIss, toHex, type TrustPolicy } from "@tallystick/evidence";
import { MAX_KEYS, type KeyView } from "./evidence.ts";

type Row = {
  readonly kid: Uint8Array;
  readonly iss: string;
  readonly item: number;
  readonly enrolled: number;
  readonly superseded: number | null;
  readonly suspect: number | null;
  readonly revoked: number | null;
  readonly reenrolled: number;
  readonly by: string;
  readonly code: string | null;
};

/** By number of their items; only of those that the register knows. */
export function keyViews(
  db: DatabaseSync,
  { operators }: TrustPolicy,
): { keys: KeyView[]; moreKeys: number } {
  const signed = db.prepare("SELECT kid, count(*) AS count FROM statements GROUP BY kid").all() as {
    kid: Uint8Array;
    count: number;
  }[];
  const find = db.prepare("SELECT * FROM keys WHERE kid = ?");
  const rowOf = (kid: Uint8Array): Row | undefined => find.get(kid) as Row | undefined;
  const known = signed.flatMap(({ kid, count }) => {
    const row = rowOf(kid);
    return row === undefined ? [] : [{ row, count }];
  });
  const keys = known
    .toSorted((a, b) => a.row.item - b.row.item || a.row.enrolled - b.row.enrolled)
    .slice(0, MAX_KEYS)
    .map(({ row, count }): KeyView => {
      const { org } = parseIss(row.iss);
      const pin = operators.some((one) => one.org === org) ? org : "*";
      return {
        kid: toHex(row.kid),
        iss: row.iss,
        statements: count,
        item: row.item,
        enrolled: row.enrolled,
        reEnrolled: row.reenrolled === 1,
        operators: behind(row, rowOf),
        pin: operators.length > 0 && row.code === null ? pin : null,
        fault: row.code,
        revoked: row.revoked,
        superseded: row.superseded,
        suspect: row.suspect,
      };
    });
  return { keys, moreKeys: signed.length - keys.length };
}

/** The operators that brought a key, and those that brought them, nearest first. */
function behind(row: Row, find: (kid: Uint8Array) => Row | undefined): KeyView["operators"] {
  const found = new Map<string, { iss: string; kid: string }>();
  const open = kidsOf(row);
  // A list and no recursion: whoever writes the register decides how long the way is.
  for (let kid = open.shift(); kid !== undefined; kid = open.shift()) {
    const operator = find(fromHex(kid));
    if (operator === undefined || found.has(kid)) continue;
    found.set(kid, { iss: operator.iss, kid });
    open.push(...kidsOf(operator));
  }
  return [...found.values()];
}

const kidsOf = ({ by }: Row): string[] => by.split(" ").filter((kid) => kid !== "");
