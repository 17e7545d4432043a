/**
 * The anchor's HTTP as an OpenAPI 3.1 document, made from the descriptions of its routes and the schemas of their answers.
 *
 * @module
 */
import type { Env, Hono } from "hono";
import { z } from "zod";
import manifest from "../../package.json" with { type: "json" };
import { READ_ROUTES } from "../reads/described.ts";
import { SCRAPI_ROUTES } from "../scrapi/described.ts";
import type { DescribedAnswer, DescribedRoute } from "./route.ts";
import { OTHER_ROUTES } from "./routes.ts";
import { Fault, NotFound } from "./schemas.ts";

type Json = { readonly [key: string]: unknown };

/** Every route, in the order of the document. */
export const ROUTES: readonly DescribedRoute[] = [...OTHER_ROUTES, ...SCRAPI_ROUTES, ...READ_ROUTES];

/** Shapes that many answers share. */
const SHARED: ReadonlyMap<z.ZodType, string> = new Map<z.ZodType, string>([
  [Fault, "Fault"],
  [NotFound, "NotFound"],
]);

/** The whole document. */
export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of ROUTES) (paths[route.path] ??= {})[route.method] = operationOf(route);
  const schemas = Object.fromEntries(Array.from(SHARED, ([schema, name]) => [name, jsonSchema(schema)]));
  return {
    openapi: "3.1.0",
    info: {
      title: "Tallystick anchor",
      version: manifest.version,
      description:
        "What an anchor serves over HTTP: docs/formats.md section 13. `x-listeners` says where: loopback, or over TLS for everybody.",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths,
    components: { schemas, securitySchemes: { token: { type: "http", scheme: "bearer" } } },
  };
}

/** Serves the document; it is made when somebody asks for it first. */
export function addOpenApi<E extends Env>(app: Hono<E>): void {
  let text: string | undefined;
  app.get("/openapi.json", (c) => {
    text ??= JSON.stringify(openApiDocument());
    return c.body(text, 200, { "Content-Type": "application/json" });
  });
}

function operationOf(route: DescribedRoute): Json {
  const { method, path, on, group, summary, token, params, query, body, answers } = route;
  const parameters = [...parametersOf(params, "path"), ...parametersOf(query, "query")];
  return {
    operationId: `${method}${path.replace(/[^A-Za-z]+([A-Za-z]?)/g, (_, letter: string) => letter.toUpperCase())}`,
    tags: [group],
    summary,
    "x-listeners": on,
    ...(token === true && { security: [{ token: [] }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        description: body.text,
        content: {
          [body.type]: body.schema === undefined ? {} : { schema: jsonSchema(body.schema, "input") },
        },
      },
    }),
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [status, responseOf(answer)]),
    ),
  };
}

function parametersOf(shape: z.ZodObject | undefined, place: "path" | "query"): Json[] {
  if (shape === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(shape, "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema,
  }));
}

function responseOf({ text, type, schema, headers }: DescribedAnswer): Json {
  return {
    description: text,
    ...(headers !== undefined && {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, description]) => [
          name,
          { description, schema: { type: "string" } },
        ]),
      ),
    }),
    ...(type !== undefined && { content: { [type]: schema === undefined ? {} : { schema: refOf(schema) } } }),
  };
}

const refOf = (schema: z.ZodType): Json => {
  const name = SHARED.get(schema);
  return name === undefined ? jsonSchema(schema) : { $ref: `#/components/schemas/${name}` };
};

function jsonSchema(schema: z.ZodType, io: "input" | "output" = "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
