/**
 * Programs that are broken on purpose, by parts put in the place of their own: each breaks one promise, and the simulation has to notice. A check that nothing can fail checks
 * nothing.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { Disk } from "@tallystick/evidence/node";
import type { OpenLog } from "../../anchor/src/log/open-log.ts";
import { signedNote } from "../../anchor/src/publish/sign.ts";
import type { Invariant } from "../support/finding.ts";
import { PUBLIC, type LedgerParts } from "./ledger-node.ts";
import type { Sabotage } from "./world.ts";

export type Sabotaged = {
  readonly sabotage: Sabotage;
  /** Seeds, from 1 on, among which it has to be caught. */
  readonly within: number;
  /** What it may be caught by: what is broken shows where it is first looked at. */
  readonly invariants: readonly Invariant[];
};

type Run = (...values: SQLInputValue[]) => ReturnType<StatementSync["run"]>;

const DONE = { changes: 1, lastInsertRowid: 0 } as const;

/** A database in which one kind of write is another one. */
const withRun =
  (beginning: string, change: (run: Run, db: DatabaseSync) => Run) =>
  (db: DatabaseSync): DatabaseSync =>
    changed(db, {
      prepare: (sql: string): StatementSync => {
        const statement = db.prepare(sql);
        if (!sql.startsWith(beginning)) return statement;
        const run: Run = (...values) => statement.run(...values);
        return changed(statement, { run: change(run, db) });
      },
    });

/** The same object but for these members. */
function changed<T extends object>(target: T, members: object): T {
  return new Proxy(target, {
    get: (object, name) => {
      const own: unknown = Reflect.get(name in members ? members : object, name);
      return typeof own === "function" ? own.bind(name in members ? members : object) : own;
    },
  });
}

const withDisk = ({ resume, surroundings }: LedgerParts, change: (disk: Disk) => Disk): LedgerParts => {
  const { disk } = resume;
  return { resume: disk === undefined ? resume : { ...resume, disk: change(disk) }, surroundings };
};

/** Commits a transaction when the next one begins. */
function lateCommit(db: DatabaseSync): DatabaseSync {
  let isOpen = false;
  const commit = (): void => {
    if (isOpen) db.exec("COMMIT");
    isOpen = false;
  };
  return changed(db, {
    exec: (sql: string): void => {
      if (sql === "COMMIT") isOpen = true;
      else {
        if (sql.startsWith("BEGIN")) commit();
        db.exec(sql);
      }
    },
  });
}

function withoutHistory(opened: OpenLog): OpenLog {
  opened.history.checkNote = () => "consistent";
  opened.history.checkReceipt = () => "consistent";
  return opened;
}

function withWrongIndexes(opened: OpenLog): OpenLog {
  const { archive } = opened.store;
  const byPlace = archive.byPlace.bind(archive);
  archive.byPlace = (chain, seq) => {
    const held = byPlace(chain, seq);
    return held && { ...held, index: Math.max(0, held.index - 1) };
  };
  return opened;
}

function withEarlyReceipts(opened: OpenLog): OpenLog {
  const { publisher, log } = opened;
  const publish = publisher.publish.bind(publisher);
  publisher.publish = (batch) => {
    publish(batch).catch(() => {});
    return signedNote(log, batch);
  };
  return opened;
}

export const SABOTAGES: Readonly<Record<string, Sabotaged>> = {
  "an agent that believes every receipt": {
    sabotage: { agent: (parts) => ({ ...parts, provider: { name: "gullible", verify: () => true } }) },
    within: 400,
    invariants: ["F4", "F6"],
  },
  "an agent that forgets which number it spent last": {
    sabotage: { agentDb: withRun("UPDATE chain SET seq", () => () => DONE) },
    within: 50,
    invariants: ["F2"],
  },
  "an agent that journals nothing": {
    sabotage: { agentDb: withRun("INSERT INTO journal", () => () => DONE) },
    within: 300,
    invariants: ["F1"],
  },
  "an agent that deletes what was refused": {
    sabotage: {
      agentDb: withRun("UPDATE outbox SET state = 2", (_run, db) => (id = null) => {
        db.prepare("DELETE FROM statement WHERE id = ?").run(id);
        return db.prepare("DELETE FROM outbox WHERE id = ?").run(id);
      }),
    },
    within: 50,
    invariants: ["F1", "F2", "F8"],
  },
  "a full outbox that tells nobody what it let go": {
    sabotage: { agentDb: withRun("INSERT INTO dropped", () => () => DONE) },
    within: 200,
    invariants: ["F1", "F2"],
  },
  "an anchor that signs before it has committed": {
    sabotage: {
      anchor: ({ resume, surroundings }) => ({
        resume: { ...resume, db: lateCommit(resume.db) },
        surroundings,
      }),
    },
    within: 20,
    invariants: ["F5"],
  },
  "an anchor that forgets which index a statement has": {
    sabotage: { opened: withWrongIndexes },
    within: 100,
    invariants: ["F4"],
  },
  "an anchor that doesn't look at what its log has signed before": {
    sabotage: {
      anchor: (parts) =>
        withDisk(parts, (disk) => ({
          ...disk,
          exists: (path) => path !== `${PUBLIC}/checkpoint` && disk.exists(path),
        })),
      opened: withoutHistory,
    },
    within: 400,
    invariants: ["F5"],
  },
  "an anchor that answers before it publishes": {
    sabotage: { opened: withEarlyReceipts },
    within: 50,
    invariants: ["F3", "F6"],
  },
  "a publisher that syncs no file": {
    sabotage: {
      anchor: (parts) =>
        withDisk(parts, (disk) => ({
          ...disk,
          create: async (...given) => ({ ...(await disk.create(...given)), sync: () => Promise.resolve() }),
        })),
    },
    within: 20,
    invariants: ["F3"],
  },
};
