/**
 * Reads over HTTP (docs/formats.md section 13): on loopback, and for whoever has a token over TLS.
 *
 * @module
 */
import type { HttpBindings } from "@hono/node-server";
import type { Context, Env, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { EvidenceError, isEvidenceError, toHex, type EvidenceCode } from "@tallystick/evidence";
import type { Lookups } from "../http/lookups.ts";
import { hashParam, hashQuery, optionalUint, textQuery } from "../http/query.ts";
import { signedNote, type LogIdentity } from "../publish/sign.ts";
import type { Tally } from "../tally.ts";
import type { Numbers, Page, Pages } from "./pages.ts";
import type { Read, Reads } from "./reads.ts";
import { readRequest, type ReadAnswer } from "./schemas.ts";
import type { ReadToken, TokenStore } from "./tokens.ts";
import type { Turnstile } from "./turnstile.ts";

const MAX_REQUEST_BYTES = 16_384;
const RETRY_AFTER_S = 5;
const NEXT = "Tally-Next";

export type ReadRoutes = {
  readonly tokens: TokenStore;
  readonly reads: Reads;
  readonly pages: Pages;
  readonly turnstile: Turnstile;
  readonly lookups: Pick<Lookups, "items" | "key">;
  readonly log: LogIdentity;
  readonly tally: Tally;
  readonly nowUnixS: () => number;
  readonly logger: { error(about: object, message: string): void };
};

/** Told of a request without a good token: who guesses pays. */
export type OnRefused = (c: Context) => void;

/** Adds the routes to an application. */
export function addReadRoutes<E extends Env>(
  app: Hono<E>,
  parts: ReadRoutes,
  onRefused: OnRefused = () => {},
): void {
  const { tokens, reads, pages, turnstile, lookups, log, nowUnixS } = parts;
  /** Answers, or says what is wrong; with the token that the request shows. */
  const shown =
    (answer: (c: Context, token: ReadToken) => Promise<Response> | Response) =>
    async (c: Context): Promise<Response> => {
      try {
        return await answer(c, tokens.shown(c.req.header("Authorization"), nowUnixS()));
      } catch (error) {
        return refusal(c, error, parts, onRefused);
      }
    };
  const open = (answer: (c: Context, read: Read) => Promise<Response> | Response) =>
    shown((c, token) => answer(c, reads.find(token, c.req.param("id") ?? "")));
  const described = async (read: Read, after: number): Promise<ReadAnswer> => {
    const { page, next } = await pages.chains(read, after);
    const { id, tree, access, expiresUnixS } = read;
    return {
      id,
      size: tree.size,
      access: toHex(access),
      expires: expiresUnixS,
      chains: [...page],
      next: next ?? null,
    };
  };

  app.post(
    "/reads",
    bodyLimit({
      maxSize: MAX_REQUEST_BYTES,
      onError: (c) =>
        refusal(c, new EvidenceError("too-large", `at most ${MAX_REQUEST_BYTES} bytes`), parts, onRefused),
    }),
    shown(async (c, token) => {
      const read = await reads.begin(token, readRequest(await c.req.text()));
      parts.tally.count("read");
      return c.json(await described(read, -1), 201);
    }),
  );
  app.get(
    "/reads/:id",
    open(async (c, read) => c.json(await described(read, optionalUint(c, "after") ?? -1))),
  );
  app.delete(
    "/reads/:id",
    open((c, read) => {
      reads.end(read);
      return c.body(null, 204);
    }),
  );
  app.get(
    "/reads/:id/checkpoint",
    open(async (c, { tree }) =>
      c.body(await signedNote(log, tree), 200, { "Content-Type": "text/plain; charset=utf-8" }),
    ),
  );
  app.get(
    "/reads/:id/items",
    open((c, { tree }) => binary(c, lookups.items(optionalUint(c, "from") ?? 0, tree.size), "cbor-seq")),
  );
  app.get(
    "/reads/:id/registry",
    open(async (c, read) => binary(c, await pages.registry(read, optionalUint(c, "from") ?? 0), "cbor-seq")),
  );
  app.get(
    "/reads/:id/keys/:kid",
    open(async (c, read) => {
      const found = await lookups.key(hashParam(c, "kid", 32), read.tree.size, () => reads.mayDerive(read));
      if (found === undefined) throw new EvidenceError("hole", "no such key in the tree of this read");
      return binary(c, found, "cbor");
    }),
  );
  app.get(
    "/reads/:id/chains/:ch",
    open(async (c, read) => {
      const named = { iss: textQuery(c, "iss"), sub: textQuery(c, "sub"), ch: hashParam(c, "ch", 8) };
      return c.json(followed(c, await pages.rows(read, named, numbersOf(c))));
    }),
  );
  app.get(
    "/reads/:id/erased",
    open(async (c, read) => c.json(followed(c, await pages.erased(read, optionalUint(c, "from") ?? 0)))),
  );
  app.get(
    "/reads/:id/statements",
    open(async (c, read) => {
      const named = { iss: textQuery(c, "iss"), sub: textQuery(c, "sub"), ch: hashQuery(c, "ch", 8) };
      const numbers = numbersOf(c);
      const { outgoing } = c.env as HttpBindings;
      const leave = turnstile.enter(read.token, (left) => outgoing.once("close", left));
      try {
        return binary(c, followed(c, await pages.statements(read, named, numbers)), "cbor-seq");
      } catch (error) {
        leave();
        throw error;
      }
    }),
  );
  app.get(
    "/reads/:id/statements/:hash",
    open(async (c, read) => binary(c, await pages.statement(read, hashParam(c, "hash", 32)), "cose")),
  );
}

function numbersOf(c: Context): Numbers {
  const [from, to] = [optionalUint(c, "from") ?? 0, optionalUint(c, "to") ?? Number.MAX_SAFE_INTEGER];
  const limit = optionalUint(c, "limit") ?? Number.MAX_SAFE_INTEGER;
  if (limit === 0 || from > to) throw new EvidenceError("member-range", "no numbers are asked for");
  return { from, to, limit };
}

/** The page; where the next one begins is in a header. */
function followed<T>(c: Context, { page, next }: Page<T>): T {
  if (next !== undefined) c.header(NEXT, String(next));
  return page;
}

const binary = (c: Context, bytes: Uint8Array, type: "cbor" | "cbor-seq" | "cose"): Response =>
  c.body(new Uint8Array(bytes), 200, { "Content-Type": `application/${type}` });

type Status = 400 | 401 | 403 | 404 | 410 | 413 | 429 | 500 | 503;

/** Whatever else is refused is 400; what is no refusal, 500. */
const STATUS: Partial<Record<EvidenceCode, Status>> = {
  "credentials-missing": 401,
  "token-unknown": 401,
  "token-expired": 401,
  "token-revoked": 401,
  "read-scope": 403,
  "read-unknown": 404,
  hole: 404,
  "read-expired": 410,
  erased: 410,
  "too-large": 413,
  "rate-limited": 429,
  "key-unknown": 503,
  "log-restoring": 503,
  "log-ended": 503,
  unreachable: 503,
};

function refusal(c: Context, error: unknown, { tally, logger }: ReadRoutes, onRefused: OnRefused): Response {
  if (!isEvidenceError(error)) throw error;
  tally.count(error.code);
  const response = refusalOf(c, error);
  if (response.status === 401) onRefused(c);
  if (response.status === 500) logger.error({ err: error }, "a read could not be answered");
  return response;
}

/** What is told of an error. */
export function refusalOf(c: Context, error: EvidenceError): Response {
  const status = STATUS[error.code] ?? (error.disposition === "refuse" ? 400 : 500);
  if (status === 500) return c.json({ code: "storage-failed", error: "the archive can't be read" }, 500);
  if (status === 401) c.header("WWW-Authenticate", "Bearer");
  if (error.disposition === "retry") c.header("Retry-After", String(RETRY_AFTER_S));
  const { by } = error.where;
  const told = error.code === "erased" && typeof by === "string" ? { erased: by } : {};
  return c.json({ code: error.code, error: error.message, ...told }, status);
}
