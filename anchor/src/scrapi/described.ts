/**
 * The routes of registration, described.
 *
 * @module
 */
import { z } from "zod";
import { BOTH, type DescribedAnswer, type DescribedRoute } from "../openapi/route.ts";

const COSE = "application/cose";
const CBOR = "application/cbor";
const RETRY = { "Retry-After": "seconds to wait" } as const;
const LOCATION = { Location: "/entries/{hash}, for ever" } as const;

const problem = (text: string, headers?: DescribedAnswer["headers"]): DescribedAnswer => ({
  text,
  type: "application/concise-problem-details+cbor",
  ...(headers !== undefined && { headers }),
});

const tooMany = problem("Too Many Requests", RETRY);
const internal = problem("Internal Error");

export const SCRAPI_ROUTES: readonly DescribedRoute[] = [
  {
    method: "post",
    path: "/entries",
    on: BOTH,
    group: "registration",
    summary: "Registers a signed statement (draft-ietf-scitt-scrapi-11; docs/scrapi.md)",
    body: { type: COSE, text: "the signed statement" },
    answers: {
      201: { text: "its receipt", type: COSE, headers: LOCATION },
      202: { text: "on its way", headers: { ...LOCATION, ...RETRY } },
      400: problem("Malformed request, Payload Missing, Bad Signature Algorithm, or Rejected"),
      413: problem("too large"),
      415: problem("not a statement's media type"),
      429: tooMany,
      500: internal,
      503: problem("Service Unavailable", RETRY),
    },
  },
  {
    method: "get",
    path: "/entries/{id}",
    on: BOTH,
    group: "registration",
    summary: "The receipt of an entry",
    params: z.strictObject({ id: z.string().regex(/^(?:[0-9a-fA-F]{64}|[A-Za-z0-9_-]{43})$/) }),
    answers: {
      200: { text: "the receipt", type: COSE, headers: LOCATION },
      204: { text: "on its way", headers: RETRY },
      400: problem("Invalid locator"),
      404: problem("Not Found, or Registration Failed"),
      429: tooMany,
      500: internal,
    },
  },
  {
    method: "get",
    path: "/.well-known/scitt-keys",
    on: BOTH,
    group: "registration",
    summary: "The keys behind receipts",
    answers: { 200: { text: "a COSE Key Set", type: CBOR }, 429: tooMany },
  },
  {
    method: "get",
    path: "/.well-known/scitt-keys/{kid}",
    on: BOTH,
    group: "registration",
    summary: "One of these keys, of logs that were served here before too",
    params: z.strictObject({ kid: z.string().regex(/^[A-Za-z0-9_-]+$/) }),
    answers: { 200: { text: "a COSE Key", type: CBOR }, 404: problem("No such key"), 429: tooMany },
  },
];
