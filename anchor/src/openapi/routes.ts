/**
 * Every route of the anchor's HTTP but those of registration and reads, described.
 *
 * @module
 */
import { z } from "zod";
import { BOTH, LOOPBACK, type DescribedAnswer, type DescribedRoute } from "./route.ts";
import {
  chainId,
  ChainRows,
  count,
  Enrolled,
  Fault,
  hash,
  HealthAnswer,
  NotFound,
  Silent,
  Streams,
  Waiting,
} from "./schemas.ts";

const JSON_TYPE = "application/json";

export const fault = (text: string, headers?: DescribedAnswer["headers"]): DescribedAnswer => ({
  text,
  type: JSON_TYPE,
  schema: Fault,
  ...(headers !== undefined && { headers }),
});

export const RETRY = { "Retry-After": "seconds to wait" } as const;

const missing: DescribedAnswer = { text: "there is none", type: JSON_TYPE, schema: NotFound };
const badRequest = fault("a parameter that is missing or malformed");
const tooMany = fault("too many requests from this address; on the public listener only", RETRY);
const unreadable = fault("the archive can't be read");

const file = (path: DescribedRoute["path"], summary: string): DescribedRoute => ({
  method: "get",
  path,
  on: BOTH,
  group: "log",
  summary,
  params: z.strictObject({ path: z.string() }),
  answers: {
    200: {
      text: "the file; it never changes, a partial one is only superseded",
      type: "application/octet-stream",
      headers: { "Cache-Control": "immutable" },
    },
    404: missing,
    429: tooMany,
  },
});

const size = z.strictObject({ size: count.optional() });

export const OTHER_ROUTES: readonly DescribedRoute[] = [
  {
    method: "get",
    path: "/checkpoint",
    on: BOTH,
    group: "log",
    summary: "The log's checkpoint: a signed note (c2sp.org/tlog-checkpoint)",
    answers: { 200: { text: "the note", type: "text/plain" }, 404: missing, 429: tooMany },
  },
  file("/tile/{path}", "A tile of hashes or a bundle of entries (c2sp.org/tlog-tiles)"),
  file("/registry/{path}", "A bundle of registry items"),
  {
    method: "get",
    path: "/items",
    on: BOTH,
    group: "log",
    summary: "Registry items from a number on",
    query: z.strictObject({ from: count.optional() }),
    answers: {
      200: {
        text: "a CBOR sequence of byte strings, at most 256; empty where there are no more",
        type: "application/cbor-seq",
      },
      400: badRequest,
      429: tooMany,
      500: unreadable,
    },
  },
  {
    method: "get",
    path: "/statements/{hash}",
    on: LOOPBACK,
    group: "archive",
    summary:
      "A statement with two receipts: its original one, and one at a published size (the newest by default)",
    params: z.strictObject({ hash }),
    query: size,
    answers: {
      200: { text: "the transparent statement", type: "application/cose" },
      400: badRequest,
      404: missing,
      410: fault("it was erased by order"),
      500: unreadable,
    },
  },
  {
    method: "get",
    path: "/keys/{kid}",
    on: LOOPBACK,
    group: "archive",
    summary:
      "A key's leaf in the key state at a published size, and the registry items that a bundle needs for it",
    params: z.strictObject({ kid: hash }),
    query: size,
    answers: {
      200: { text: "[leaf, size, index, path, items]", type: "application/cbor" },
      400: badRequest,
      404: missing,
      500: unreadable,
    },
  },
  {
    method: "get",
    path: "/streams",
    on: LOOPBACK,
    group: "archive",
    summary: "Chains of a device, or of all; at most 10,000",
    query: z.strictObject({ iss: z.string().optional() }),
    answers: { 200: { text: "the chains", type: JSON_TYPE, schema: Streams }, 500: unreadable },
  },
  {
    method: "get",
    path: "/chains/{ch}",
    on: LOOPBACK,
    group: "archive",
    summary: "Statements of a chain, by number; at most 1,000",
    params: z.strictObject({ ch: chainId }),
    query: z.strictObject({
      iss: z.string(),
      sub: z.string(),
      from: count.optional(),
      to: count.optional(),
      limit: count.optional(),
    }),
    answers: {
      200: { text: "a row each", type: JSON_TYPE, schema: ChainRows },
      400: badRequest,
      404: missing,
      500: unreadable,
    },
  },
  {
    method: "get",
    path: "/healthz",
    on: LOOPBACK,
    group: "operation",
    summary: "How the anchor is",
    answers: {
      200: { text: "it can be read", type: JSON_TYPE, schema: HealthAnswer },
      503: { text: "the archive can't be read", type: JSON_TYPE, schema: HealthAnswer },
    },
  },
  {
    method: "get",
    path: "/silent",
    on: LOOPBACK,
    group: "operation",
    summary: "Devices and streams that are silent for longer than allowed (docs/alarms.md)",
    answers: { 200: { text: "those, and how the watch stands", type: JSON_TYPE, schema: Silent } },
  },
  {
    method: "get",
    path: "/metrics",
    on: LOOPBACK,
    group: "operation",
    summary: "Figures for Prometheus",
    answers: { 200: { text: "the text format 0.0.4", type: "text/plain" } },
  },
  {
    method: "get",
    path: "/openapi.json",
    on: BOTH,
    group: "operation",
    summary: "This description",
    answers: { 200: { text: "an OpenAPI document", type: JSON_TYPE } },
  },
  {
    method: "post",
    path: "/enrol",
    on: ["public"],
    group: "enrolment",
    summary: "A device asks to be enrolled, by its invite (docs/access.md)",
    body: {
      type: "application/cwt",
      text: "a CWT signed by the key that is to be enrolled, for this very connection; at most 2,048 bytes. The media type is not looked at",
    },
    answers: {
      200: { text: "the key is in the published registry", type: JSON_TYPE, schema: Enrolled },
      202: { text: "the request is kept: ask again", type: JSON_TYPE, schema: Waiting },
      403: fault("refused, or not now"),
      413: fault("too large"),
      429: tooMany,
      500: fault("the request can't be kept now"),
    },
  },
];
