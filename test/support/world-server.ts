/**
 * A {@link World} over HTTP, as docs/formats.md section 13 has it, written for tests from that page alone. A test may answer some paths itself.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { encodeCbor, toHex, type Statement } from "@tallystick/evidence";
import type { World } from "./world.ts";
import type { Chain } from "./world-device.ts";

export type WorldServer = {
  readonly url: string;
  /** Paths asked for, with their queries. */
  readonly asked: readonly string[];
  close(): Promise<void>;
};

/** Answers a request in the server's place: true where it did. */
export type Instead = (path: string, response: ServerResponse) => boolean;

export async function serveWorld(world: World, instead: Instead = () => false): Promise<WorldServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://world");
    const path = url.pathname.slice(1);
    asked.push(`${path}${url.search}`);
    if (instead(path, response)) return;
    const body = answer(world, path, url.searchParams);
    if (body === undefined) response.writeHead(404).end();
    else response.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(world: World, path: string, query: URLSearchParams): Uint8Array | string | undefined {
  const [kind = "", name = ""] = path.split("/");
  const at = query.has("size")
    ? world.batches.find(({ size }) => size === Number(query.get("size")))
    : world.newest;
  const all = [
    ...world.items,
    ...world.devices.flatMap(({ chains }) => chains.flatMap((chain) => heldOf(world, chain))),
  ];
  switch (kind) {
    case "statements": {
      const statement = all.find(({ hash }) => toHex(hash) === name);
      if (statement === undefined || at === undefined || world.indexOf(statement) >= at.size)
        return undefined;
      return world.transparent(statement, world.firstOf(statement), at);
    }
    case "keys": {
      if (at === undefined) return undefined;
      const state = world.keyState(at.size);
      const record = [...state.records()].find(({ kid }) => toHex(kid) === name);
      if (record === undefined) return undefined;
      const { leaf, size, index, path: hashes } = state.proof(record.kid);
      return encodeCbor([leaf, size, index, hashes, state.itemsFor(record.kid)]);
    }
    case "streams":
      return JSON.stringify(streams(world, query.get("iss") ?? ""));
    case "chains":
      return JSON.stringify(rows(world, name, query));
    default:
      return world.files().get(path);
  }
}

/** Of a chain that came from another log, what this one has of it. */
const heldOf = (world: World, { statements }: Chain): readonly Statement[] =>
  statements.filter((one) => world.has(one));

const chainsOf = (world: World, iss: string) =>
  world.devices.filter((device) => device.iss === iss).flatMap(({ chains }) => chains);

function streams(world: World, iss: string): unknown[] {
  return chainsOf(world, iss).flatMap((chain) => {
    const { sub, ch } = chain;
    const seqs = heldOf(world, chain).map(({ claims }) => claims.seq);
    if (seqs.length === 0) return [];
    return [
      { iss, sub, ch: toHex(ch), first: Math.min(...seqs), last: Math.max(...seqs), count: seqs.length },
    ];
  });
}

function rows(world: World, ch: string, query: URLSearchParams): unknown[] {
  const [from, to, limit] = ["from", "to", "limit"].map((name) => Number(query.get(name)));
  const chain = chainsOf(world, query.get("iss") ?? "").find((one) => toHex(one.ch) === ch);
  const held = chain === undefined ? [] : heldOf(world, chain);
  const published = held.filter((one) => world.indexOf(one) < world.newest.size);
  return published
    .filter(({ claims: { seq } }) => seq >= (from ?? 0) && seq <= (to ?? 0))
    .slice(0, limit)
    .map((one: Statement) => ({
      seq: one.claims.seq,
      index: world.indexOf(one),
      hash: toHex(one.hash),
      kid: toHex(one.kid),
      iat: one.claims.iat ?? null,
      time: world.firstOf(one).claims.timeUnixS,
      kind: one.event?.kind ?? null,
    }));
}
