import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openApiDocument, ROUTES } from "../../../anchor/src/openapi/document.ts";
import type { Listener } from "../../../anchor/src/openapi/route.ts";
import { createPublicApp } from "../../../anchor/src/http/public-server.ts";
import { createApp } from "../../../anchor/src/http/serve.ts";

const COMMITTED = join(import.meta.dirname, "..", "..", "..", "docs", "openapi.json");

test("docs/openapi.json is current: npx vitest run --project unit test/unit/anchor/openapi.test.ts -u", async () => {
  await expect(`${JSON.stringify(openApiDocument(), null, 2)}\n`).toMatchFileSnapshot(COMMITTED);
});

/** What an application answers, in the words of the description; its parts are not touched before somebody asks. */
function served(app: { readonly routes: readonly { method: string; path: string }[] }): string[] {
  const names = app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => {
      const described = path.replace(/:(\w+)/g, "{$1}").replace(/\*$/, "{path}");
      return `${method.toLowerCase()} ${described}`;
    });
  return [...new Set(names)].toSorted();
}

const described = (listener: Listener): string[] =>
  ROUTES.filter(({ on }) => on.includes(listener))
    .map(({ method, path }) => `${method} ${path}`)
    .toSorted();

test("every route is described, and none that isn't there, on each listener", () => {
  const parts = { scrapi: {}, reads: {}, lookups: {} } as never;
  expect(served(createApp(parts))).toEqual(described("loopback"));
  expect(served(createPublicApp(parts))).toEqual(described("public"));
});

describe("each description", () => {
  test("names the parameters of its path, and has a name of its own", () => {
    for (const { path, params } of ROUTES) {
      const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name);
      expect([path, Object.keys(params?.shape ?? {})]).toEqual([path, inPath]);
    }
    const { paths } = openApiDocument() as { paths: Record<string, Record<string, { operationId: string }>> };
    const names = Object.values(paths).flatMap((one) =>
      Object.values(one).map(({ operationId }) => operationId),
    );
    expect(new Set(names).size).toBe(ROUTES.length);
    for (const name of names) expect(name).toMatch(/^[a-z][A-Za-z]+$/);
  });

  test("refers to nothing that isn't in the document", () => {
    const document = openApiDocument() as { components: { schemas: Record<string, unknown> } };
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref);
    expect(refs.length).toBeGreaterThan(0);
    const there = new Set(
      Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`),
    );
    expect(refs.filter((ref) => !there.has(ref ?? ""))).toEqual([]);
  });
});
