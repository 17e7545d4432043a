/**
 * How a route of the anchor's HTTP is described: what is sent, what is answered. The description is data; a test holds it against the routes that there are, and the answers of
 * a running anchor against it.
 *
 * @module
 */
import type { z } from "zod";

/** `loopback`: this machine. `public`: over TLS, for everybody, where the configuration has `public`. */
export type Listener = "loopback" | "public";

export type DescribedAnswer = {
  readonly text: string;
  /** Media type; absent where there is no body. */
  readonly type?: string;
  /** Of a JSON body. */
  readonly schema?: z.ZodType;
  /** Headers that matter, and what they say. */
  readonly headers?: Readonly<Record<string, string>>;
};

export type DescribedRoute = {
  readonly method: "get" | "post" | "delete";
  /** Parameters in braces; `{path}` stands for several segments. */
  readonly path: `/${string}`;
  readonly on: readonly Listener[];
  readonly group: "log" | "archive" | "registration" | "reads" | "enrolment" | "operation";
  readonly summary: string;
  /** True where a reader's token has to be shown. */
  readonly token?: true;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: { readonly type: string; readonly text: string; readonly schema?: z.ZodType };
  readonly answers: Readonly<Record<number, DescribedAnswer>>;
};

export const BOTH = ["loopback", "public"] as const;
export const LOOPBACK = ["loopback"] as const;
