/**
 * Everything that an anchor holds of one device, collected over HTTP as a stranger would.
 *
 * @module
 */
import { parseTransparent, type Statement } from "@tallystick/evidence";

/** A chain as the anchor lists it, with all its statements by seq. */
export type ChainCopy = {
  readonly sub: string;
  readonly ch: string;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly statements: readonly PlacedStatement[];
};

type PlacedStatement = { readonly seq: number; readonly index: number; readonly statement: Statement };

type StreamLine = Omit<ChainCopy, "statements">;
type ChainLine = { readonly seq: number; readonly index: number; readonly hash: string };

/** Statements fetched at the same time. */
const AT_ONCE = 16;

/** @param url - the anchor's address */
export async function copyLedger(url: string, iss: string): Promise<readonly ChainCopy[]> {
  const streams = (await json(`${url}/streams?${new URLSearchParams({ iss }).toString()}`)) as StreamLine[];
  const chains: ChainCopy[] = [];
  for (const stream of streams) {
    const lines = await chainLines(url, iss, stream);
    const statements: PlacedStatement[] = [];
    for (let at = 0; at < lines.length; at += AT_ONCE) {
      const some = lines.slice(at, at + AT_ONCE).map(async ({ seq, index, hash }) => {
        return { seq, index, statement: await statementOf(url, hash) };
      });
      statements.push(...(await Promise.all(some)));
    }
    chains.push({ ...stream, statements });
  }
  return chains;
}

async function chainLines(url: string, iss: string, { sub, ch }: StreamLine): Promise<readonly ChainLine[]> {
  const lines: ChainLine[] = [];
  for (let from = 0; ;) {
    const query = new URLSearchParams({ iss, sub, from: String(from) });
    const page = (await json(`${url}/chains/${ch}?${query.toString()}`)) as ChainLine[];
    const last = page.at(-1);
    if (last === undefined) return lines;
    lines.push(...page);
    from = last.seq + 1;
  }
}

async function statementOf(url: string, hash: string): Promise<Statement> {
  const answer = await fetch(`${url}/statements/${hash}`);
  if (!answer.ok) throw new Error(`statement ${hash}: HTTP ${answer.status}`);
  return parseTransparent(new Uint8Array(await answer.arrayBuffer())).statement;
}

async function json(url: string): Promise<unknown> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: HTTP ${answer.status}`);
  return answer.json();
}
