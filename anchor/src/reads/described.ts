/**
 * The routes of reads, described.
 *
 * @module
 */
import * as z from "zod";
import { BOTH, type DescribedAnswer, type DescribedRoute } from "../openapi/route.ts";
import { fault, RETRY } from "../openapi/routes.ts";
import { chainId, count, hash } from "../openapi/schemas.ts";
import { ErasedRow, ReadAnswer, ReadRequest, ReadRow } from "./schemas.ts";

const JSON_TYPE = "application/json";
const NEXT = { "Tally-Next": "where the next page begins; absent on the last" } as const;
const id = z.string().regex(/^[0-9a-f]{32}$/);

const REFUSED: Readonly<Record<number, DescribedAnswer>> = {
  400: fault("a parameter or member that is missing or malformed"),
  401: fault("no token, or one that is unknown, revoked or too old"),
  403: fault("the token's scope, or this read, doesn't include that"),
  429: fault("too much at once", RETRY),
  500: fault("the archive can't be read"),
};
const IN_READ: Readonly<Record<number, DescribedAnswer>> = {
  ...REFUSED,
  404: fault("no such read of this token, or not in its tree"),
  410: fault("the read has ended, or it was erased by order"),
};

type OfRead = Pick<DescribedRoute, "summary"> & {
  readonly more?: z.ZodRawShape;
  readonly query?: z.ZodObject;
  readonly answer: DescribedAnswer;
};

const ofRead = (path: string, { summary, more = {}, query, answer }: OfRead): DescribedRoute => ({
  method: "get",
  path: `/reads/{id}${path}`,
  on: BOTH,
  group: "reads",
  summary,
  token: true,
  params: z.strictObject({ id, ...more }),
  ...(query !== undefined && { query }),
  answers: { 200: answer, ...IN_READ },
});

const from = z.strictObject({ from: count.optional() });
const numbers = { from: count.optional(), to: count.optional(), limit: count.optional() };
const stream = { iss: z.string(), sub: z.string() };

export const READ_ROUTES: readonly DescribedRoute[] = [
  {
    method: "post",
    path: "/reads",
    on: BOTH,
    group: "reads",
    summary:
      "Begins a read: its purpose is in the published log before anything is handed over (docs/reads.md)",
    token: true,
    body: { type: JSON_TYPE, text: "what is to be read, and why; at most 16 KiB", schema: ReadRequest },
    answers: {
      201: { text: "the read", type: JSON_TYPE, schema: ReadAnswer },
      ...REFUSED,
      413: fault("too large"),
      503: fault("the access can't be told now, so nothing is handed over", RETRY),
    },
  },
  ofRead("", {
    summary: "The read, with the chains after a number",
    query: z.strictObject({ after: count.optional() }),
    answer: { text: "the read", type: JSON_TYPE, schema: ReadAnswer },
  }),
  {
    method: "delete",
    path: "/reads/{id}",
    on: BOTH,
    group: "reads",
    summary: "Ends a read",
    token: true,
    params: z.strictObject({ id }),
    answers: { 204: { text: "it has ended" }, ...IN_READ },
  },
  ofRead("/checkpoint", {
    summary: "The signed note at which the read stands",
    answer: { text: "the note", type: "text/plain" },
  }),
  ofRead("/items", {
    summary: "Registry items of that tree from a number on",
    query: from,
    answer: { text: "as of /items", type: "application/cbor-seq" },
  }),
  ofRead("/registry", {
    summary: "The same with receipts: transparent statements; at most 128",
    query: from,
    answer: { text: "a CBOR sequence", type: "application/cbor-seq" },
  }),
  ofRead("/keys/{kid}", {
    summary: "A key's leaf in the key state of that tree",
    more: { kid: hash },
    answer: { text: "as of /keys/{kid}", type: "application/cbor" },
  }),
  ofRead("/chains/{ch}", {
    summary: "Statements of a chain that are handed over, by number; at most 1,000",
    more: { ch: chainId },
    query: z.strictObject({ ...stream, ...numbers }),
    answer: { text: "a row each", type: JSON_TYPE, schema: z.array(ReadRow), headers: NEXT },
  }),
  ofRead("/erased", {
    summary: "What is erased of these streams; at most 1,000",
    query: from,
    answer: { text: "a row each", type: JSON_TYPE, schema: z.array(ErasedRow), headers: NEXT },
  }),
  ofRead("/statements", {
    summary: "Transparent statements of a chain, by number; at most 2,000 and about 4 MiB",
    query: z.strictObject({ ...stream, ch: chainId, ...numbers }),
    answer: { text: "a CBOR sequence", type: "application/cbor-seq", headers: NEXT },
  }),
  ofRead("/statements/{hash}", {
    summary: "One transparent statement of the read",
    more: { hash },
    answer: { text: "the statement", type: "application/cose" },
  }),
];
