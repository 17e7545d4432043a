/**
 * What the facts prove: events with standing, the newest of each that was superseded, and what was taken off or put on afterwards.
 *
 * @module
 */
import { facetSql, fieldSql } from "./fields.ts";
import type { LoadedMap } from "./map/load.ts";
import type { Work } from "./work.ts";

export type ProofCounts = { readonly proven: number; readonly unproven: number };

/** Only these prove anything. */
const STANDS = "s.standing IN ('good', 'restricted')";
/** Who speaks for an event: devices of one organisation. */
const ORG = "substr(iss, 1, instr(iss, '/') - 1)";

/**
 * Fills `proofs`, `adjustments` and `unproven`.
 *
 * An event supersedes another of its organisation. Where two supersede the same one, nobody can say which holds: all of them are `forked`.
 */
export function loadProofs({ db }: Work, { map, scope }: LoadedMap): ProofCounts {
  const { match, evidence } = map;
  if (match === undefined) return { proven: 0, unproven: 0 };
  const key = match.by === "key" ? fieldSql(match.event) : "NULL";
  const facet = match.by === "window" ? facetSql(Object.keys(match.same)) : "NULL";
  const demands = Object.entries(evidence.demand);
  const demanded = demands.map(
    ([field, values]) => `coalesce(${fieldSql(field)} IN (${values.map(() => "?").join(", ")}), 0)`,
  );
  const events = "FROM facts.events e JOIN facts.statements s ON s.id = e.statement WHERE e.kind = ?";
  db.exec("BEGIN");
  db.prepare(
    `INSERT INTO proofs SELECT e.statement, e.statement, 0, e.stream, e.t, ${key}, e.minor, e.currency, ${facet},
       ${demanded.length === 0 ? "1" : demanded.join(" AND ")} ${events} AND ${STANDS} ORDER BY e.statement`,
  ).run(...demands.flatMap(([, values]) => values), evidence.kind);
  supersede(db, evidence.kind);
  db.prepare(
    `INSERT INTO adjustments(id, head, minor, currency)
     SELECT e.statement, b.head, e.minor, e.currency ${events.replace(
       "WHERE",
       `JOIN facts.streams ns ON ns.id = e.stream JOIN facts.statements bs ON bs.hash = unhex(e.ref) JOIN proofs b ON b.id = bs.id
        JOIN facts.streams os ON os.id = b.stream WHERE`,
     )} AND ${STANDS} AND e.minor IS NOT NULL AND e.currency IS NOT NULL AND ${ORG.replaceAll("iss", "ns.iss")} = ${ORG.replaceAll("iss", "os.iss")}
       AND s.hash NOT IN (SELECT unhex(n.supersedes) FROM facts.events n JOIN facts.statements s ON s.id = n.statement
                          WHERE n.kind = e.kind AND n.supersedes IS NOT NULL AND ${STANDS})
     ORDER BY e.statement`,
  ).run(evidence.adjustments);
  // To tell a line whose event is there and has no standing from one without any.
  db.exec("CREATE TEMP TABLE unproven(key TEXT, code TEXT)");
  // Few statements have none: those are looked for, and then their events.
  db.prepare(
    `INSERT INTO unproven SELECT ${key}, s.code FROM facts.statements s CROSS JOIN facts.events e ON e.statement = s.id
     WHERE NOT ${STANDS} AND e.kind = ?`,
  ).run(evidence.kind);
  db.exec(`CREATE INDEX proofs_head ON proofs(head); CREATE INDEX adjustments_head ON adjustments(head); CREATE INDEX unproven_key ON unproven(key);
    ${match.by === "key" ? "CREATE INDEX proofs_key ON proofs(key);" : "CREATE INDEX proofs_time ON proofs(stream, facet, t);"} COMMIT`);
  const count = (sql: string, ...given: number[]): number =>
    (db.prepare(sql).get(...given) as { n: number }).n;
  return {
    proven: count("SELECT count(*) n FROM proofs WHERE id = head AND t >= ? AND t < ?", scope.from, scope.to),
    unproven: count("SELECT count(*) n FROM unproven"),
  };
}

/** Follows what superseded what, by doubling: a chain of n takes log n rounds. */
function supersede(db: Work["db"], kind: string): void {
  db.exec("CREATE TEMP TABLE superseded(old INTEGER NOT NULL, new INTEGER NOT NULL)");
  db.prepare(
    `INSERT INTO superseded SELECT o.id, n.id FROM facts.events e CROSS JOIN proofs n ON n.id = e.statement
       JOIN facts.statements os ON os.hash = unhex(e.supersedes) JOIN proofs o ON o.id = os.id
       JOIN facts.streams a ON a.id = o.stream JOIN facts.streams b ON b.id = n.stream
     WHERE e.kind = ? AND e.supersedes IS NOT NULL AND ${ORG.replaceAll("iss", "a.iss")} = ${ORG.replaceAll("iss", "b.iss")}`,
  ).run(kind);
  db.exec(`CREATE INDEX superseded_old ON superseded(old);
    UPDATE proofs SET head = (SELECT max(new) FROM superseded WHERE old = proofs.id) WHERE id IN (SELECT old FROM superseded)`);
  const follow = db.prepare(
    `UPDATE proofs SET head = (SELECT h.head FROM proofs h WHERE h.id = proofs.head)
     WHERE id IN (SELECT p.id FROM proofs p JOIN superseded x ON x.old = p.id JOIN proofs h ON h.id = p.head WHERE h.head <> p.head)`,
  );
  while (Number(follow.run().changes) > 0);
  // All that hangs together with a fork, above and below it: their common head is marked, and so are its siblings.
  db.exec(`UPDATE proofs SET forked = 1 WHERE head IN (SELECT p.head FROM proofs p WHERE p.id IN (
      SELECT new FROM superseded WHERE old IN (SELECT old FROM superseded GROUP BY old HAVING count(*) > 1)
      UNION SELECT old FROM superseded GROUP BY old HAVING count(*) > 1))`);
}
