/**
 * Registration over HTTP as SCRAPI has it (draft-ietf-scitt-scrapi-11, whose number as an RFC is pending: so all of it is in this folder). A statement in, its
 * receipt out, in one answer; the same bytes again get the same receipt at the same location.
 *
 * @module
 */
import type { HttpBindings } from "@hono/node-server";
import type { Context, Env, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import {
  fromBase64Url,
  fromHex,
  HASH_BYTES,
  isEvidenceError,
  parseSign1,
  parseStatement,
  parseTransparent,
  toHex,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { AddressBudget } from "../enrolment/budget.ts";
import type { Lookups } from "../http/lookups.ts";
import type { ServiceKeys } from "./keys.ts";
import { malformed, problem, rejected, RETRY_AFTER_S } from "./problem.ts";
import type { Registrations } from "./registrations.ts";

const COSE = "application/cose";
const CBOR = "application/cbor";
/** A statement with two receipts of the largest kind: more is read of nobody. */
const MAX_BODY_BYTES = 32_768 + 2 * 65_536;
/** What a refused statement costs of an address's budget beyond what each costs. */
const REFUSED_COST = 9;

export type ScrapiParts = {
  readonly lookups: Pick<Lookups, "receipt">;
  readonly registrations: Pick<Registrations, "register" | "standing">;
  readonly keys: ServiceKeys;
  readonly perAddressPerMinute: number;
  readonly nowMs: () => number;
};

export function addScrapiRoutes<E extends Env>(app: Hono<E>, parts: ScrapiParts): void {
  const budget = new AddressBudget(parts.perAddressPerMinute, parts.nowMs);
  app.post(
    "/entries",
    (c, next) => {
      if (!budget.has(addressIn(c))) return Promise.resolve(tooMany(c));
      budget.charge(addressIn(c), 1);
      return next();
    },
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) => problem(c, 413, "Malformed request", `too-large: at most ${MAX_BODY_BYTES} bytes`),
    }),
    guarded(async (c) => {
      const answer = await register(c, parts);
      if (answer.status >= 400 && answer.status < 500) budget.charge(addressIn(c), REFUSED_COST);
      return answer;
    }),
  );
  app.get(
    "/entries/:id",
    guarded((c) => resolve(c, parts)),
  );
  app.get("/.well-known/scitt-keys", (c) => binary(c, parts.keys.all, CBOR));
  app.get("/.well-known/scitt-keys/:kid", (c) => {
    const found = parts.keys.byKid.get(c.req.param("kid"));
    return found === undefined
      ? problem(c, 404, "No such key", "this log never signed with a key of that name")
      : binary(c, found, CBOR);
  });
  for (const rest of ["/entries", "/entries/*", "/.well-known/scitt-keys", "/.well-known/scitt-keys/*"])
    app.all(rest, (c) => problem(c, 404, "Not Found", `nothing is answered to ${c.req.method} here`));
}

/** True of what is answered by SCRAPI's rules. */
export const isScrapi = (path: string): boolean =>
  /^\/(?:entries(?:\/|$)|\.well-known\/scitt-keys)/.test(path);

export const tooMany = (c: Context): Response =>
  problem(c, 429, "Too Many Requests", "rate-limited: wait a little");

/** Whatever goes wrong is told in SCRAPI's form. */
const guarded =
  (handler: (c: Context) => Promise<Response>) =>
  async (c: Context): Promise<Response> => {
    try {
      return await handler(c);
    } catch {
      return problem(c, 500, "Internal Error", "storage-failed: the archive can't be read");
    }
  };

/** The address is told by the socket alone: headers are whoever's. */
const addressIn = (c: Context): string =>
  (c.env as Partial<HttpBindings> | undefined)?.incoming?.socket.remoteAddress ?? "";

async function register(c: Context, parts: ScrapiParts): Promise<Response> {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== COSE) return problem(c, 415, "Malformed request", `send a signed statement as ${COSE}`);
  const bytes = new Uint8Array(await c.req.arrayBuffer());
  let statement: Statement;
  try {
    const { payload, unprotected } = parseSign1(bytes, MAX_BODY_BYTES);
    if (payload === null)
      return problem(c, 400, "Payload Missing", "cose-malformed: the payload goes with the statement");
    // What is registered has nothing unprotected (RFC 9943 section 6): a transparent statement is taken without the receipts that it brings.
    statement =
      unprotected.size === 0
        ? parseStatement(bytes, nodeSha256)
        : parseTransparent(bytes, nodeSha256).statement;
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return malformed(c, error.code, error.message);
  }
  const outcome = await parts.registrations.register(statement);
  if (outcome.kind === "refused") return rejected(c, outcome.code, outcome.text);
  c.header("Location", locationOf(statement.hash));
  const receipt = outcome.kind === "registered" ? await parts.lookups.receipt(statement.hash) : "pending";
  if (receipt instanceof Uint8Array) return binary(c, receipt, COSE, 201);
  c.header("Retry-After", String(RETRY_AFTER_S));
  return c.body(null, 202);
}

async function resolve(c: Context, { lookups, registrations }: ScrapiParts): Promise<Response> {
  const hash = readLocator(c.req.param("id") ?? "");
  if (hash === undefined)
    return problem(
      c,
      400,
      "Invalid locator",
      "give the SHA-256 of the statement, in hexadecimal or base64url",
    );
  const receipt = await lookups.receipt(hash);
  const standing = receipt ?? registrations.standing(hash);
  if (standing instanceof Uint8Array) {
    c.header("Location", locationOf(hash));
    return binary(c, standing, COSE);
  }
  if (standing === undefined) return problem(c, 404, "Not Found", "no such entry");
  if (standing !== "pending" && standing.kind === "refused")
    return problem(c, 404, "Registration Failed", `${standing.code}: ${standing.text}`);
  c.header("Retry-After", String(RETRY_AFTER_S));
  c.header("Cache-Control", "no-store");
  return c.body(null, 204);
}

const locationOf = (hash: Uint8Array): string => `/entries/${toHex(hash)}`;

/** The entry's hash: 64 hexadecimal digits, or 43 letters of base64url. */
function readLocator(id: string): Uint8Array | undefined {
  try {
    const hash = id.length === 2 * HASH_BYTES ? fromHex(id) : fromBase64Url(id);
    return hash.length === HASH_BYTES ? hash : undefined;
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}

const binary = (c: Context, bytes: Uint8Array, type: string, status: 200 | 201 = 200): Response =>
  c.body(new Uint8Array(bytes), status, { "Content-Type": type });
