/**
 * How long `tally-audit reconcile` takes: makes facts and an export of so many lines in a temporary folder, reconciles in a process of its own as
 * the command does, and prints one JSON object. The facts are made beforehand: verifying a case is another row.
 *
 *     node bench/reconcile.ts keys|windows|intervals [LINES]
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { noProgress } from "@tallystick/evidence/node";
import { readFacts } from "../audit/src/facts/schema.ts";
import { keepHeapSmall } from "../audit/src/heap.ts";
import { loadMap } from "../audit/src/reconcile/map/load.ts";
import { reconcile } from "../audit/src/reconcile/reconcile.ts";
import { MadeFacts } from "../test/support/made-facts.ts";

const LANES = 20;
const START_MS = Date.UTC(2026, 10, 1);
const SCOPE = "scope: { from: 2026-11-01, to: 2026-12-01, zone: UTC }";
const CSV =
  'version: 1\ncsv:\n  separator: ";"\n  decimal: ","\n  zone: UTC\n  time: "YYYY-MM-DD HH:mm:ss"\n';
const SPAN_MS = 29 * 24 * 3600_000;
const QUARTER_MS = 900_000;
const QUARTERS = 30 * 96;

type Shape = {
  readonly map: string;
  readonly header: string;
  make(facts: MadeFacts, lines: number, put: (line: string) => void): void;
};

const at = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
const comma = (cents: number): string => `${Math.floor(cents / 100)},${String(cents % 100).padStart(2, "0")}`;
const lane = (i: number): string => `city/lane-${i % LANES}/toll/plaza-1/lane-${i % LANES}`;

/** Every so many lines one is wrong in each of several ways: the classes are all in use. */
function passages(
  facts: MadeFacts,
  lines: number,
  put: (line: string, i: number, ms: number, cents: number) => void,
): void {
  for (let i = 0; i < lines; i++) {
    const ms = START_MS + Math.floor((i * SPAN_MS) / lines);
    const cents = 100 + ((i * 7919) % 900);
    facts.passage(lane(i), {
      tx: `T${String(i).padStart(8, "0")}`,
      at: new Date(ms).toISOString(),
      cents,
      lane: `lane-${i % LANES}`,
    });
    if (i % 997 !== 0) put(`T${String(i).padStart(8, "0")}`, i, ms, i % 499 === 0 ? cents + 1 : cents);
  }
}

const SHAPES: Readonly<Record<string, Shape>> = {
  keys: {
    map: `${CSV}  columns: { key: tx, type: kind, reference: ref, time: at, amount: amount, currency: currency }\n${SCOPE}
match: { by: key }\ntypes: { charge: M, refund: R }\n`,
    header: "line;tx;kind;ref;at;plaza;class;amount;currency",
    make(facts, lines, put) {
      passages(facts, lines, (tx, i, ms, cents) => {
        put(`${i};${tx};M;;${at(ms)};plaza-1;2;${comma(cents)};EUR`);
        if (i % 1009 === 0) put(`${i};${tx};M;;${at(ms)};plaza-1;2;${comma(cents)};EUR`);
        if (i % 307 === 0) put(`${i};;R;${tx};${at(ms)};plaza-1;2;-0,50;EUR`);
      });
    },
  },
  windows: {
    map: `${CSV}  columns: { account: lane, time: at, amount: amount }\n${SCOPE}
match: { by: window, before: 30s, after: 30s }\namount: { by: event, currency: EUR }\n`,
    header: "lane;at;amount",
    make(facts, lines, put) {
      passages(facts, lines, (_tx, i, ms, cents) => put(`${lane(i)};${at(ms + 2000)};${comma(cents)}`));
    },
  },
  intervals: {
    map: `${CSV}  columns: { account: meter, time: from, until: until, quantity: kWh }\n${SCOPE}
pick: { value: interval, register: "1-0:1.8.0", maxAge: 0 }\namount: { by: none }\n`,
    header: "meter;from;until;kWh",
    make(facts, lines, put) {
      for (let meter = 0; meter * QUARTERS < lines; meter++) {
        const name = `city/gw-${meter}/meter/m-${meter}`;
        facts.opened(name, `m${meter}`, 6);
        let wh = 1_000_000 + meter;
        for (let quarter = 0; quarter <= QUARTERS; quarter++) {
          const ms = START_MS + quarter * QUARTER_MS;
          facts.register(
            name,
            new Date(ms).toISOString(),
            `${Math.floor(wh / 1000)}.${String(wh % 1000).padStart(3, "0")}`,
          );
          const used = 10 + ((quarter * 31 + meter) % 290);
          wh += used;
          const said = quarter % 997 === 0 ? used + 1 : used;
          if (quarter < QUARTERS)
            put(`${name};${at(ms)};${at(ms + QUARTER_MS)};0,${String(said).padStart(3, "0")}`);
        }
      }
    },
  },
};

function makeInputs(folder: string, shape: Shape, lines: number): void {
  writeFileSync(join(folder, "map.yaml"), shape.map);
  const facts = new MadeFacts(folder, "facts");
  const file = openSync(join(folder, "export.csv"), "w");
  let held = `${shape.header}\n`;
  shape.make(facts, lines, (line) => {
    held += `${line}\n`;
    if (held.length > 1 << 20) {
      writeSync(file, held);
      held = "";
    }
  });
  writeSync(file, held);
  closeSync(file);
  facts.done().close();
}

/** In a process of its own: its memory holds nothing of how the inputs were made. */
async function run(folder: string): Promise<void> {
  const startMs = performance.now();
  keepHeapSmall();
  const facts = readFacts(join(folder, "facts"));
  const loaded = await loadMap(join(folder, "map.yaml"));
  const file = join(folder, "export.csv");
  const out = join(folder, "result");
  mkdirSync(out);
  const { body } = await reconcile({
    facts,
    size: 1,
    loaded,
    file,
    folder: out,
    work: folder,
    progress: noProgress,
  });
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const counts = body.classes
    .filter(({ count }) => count > 0)
    .map(({ class: name, count }) => `${name} ${count}`);
  process.stdout.write(
    `${JSON.stringify({
      seconds: (performance.now() - startMs) / 1000,
      cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
      peakMiB: maxRSS / 1024,
      lines: body.export.lines,
      exportMiB: statSync(file).size / 2 ** 20,
      counts: counts.join(", "),
    })}\n`,
  );
}

const [first = "keys", second = "1000000"] = process.argv.slice(2);
if (first === "--run") await run(second);
else {
  const shape = SHAPES[first];
  if (shape === undefined)
    throw new Error(`no such shape: ${first}; there are ${Object.keys(SHAPES).join(", ")}`);
  const folder = mkdtempSync(join(tmpdir(), "tally-bench-reconcile-"));
  try {
    makeInputs(folder, shape, Number(second));
    const { status } = spawnSync(process.execPath, [import.meta.filename, "--run", folder], {
      stdio: "inherit",
    });
    process.exitCode = status ?? 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
