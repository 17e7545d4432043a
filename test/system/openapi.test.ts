import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { toBase64Url, toHex, type Statement } from "@tallystick/evidence";
import { ROUTES } from "../../anchor/src/openapi/document.ts";
import type { DescribedRoute } from "../../anchor/src/openapi/route.ts";
import { AnchorLog } from "../support/anchor-log.ts";
import { anchorConfig, registerAt, startAnchor, type AnchorProcess } from "../support/anchor-process.ts";
import { startBroker } from "../unit/broker/start.ts";

const MAIN = join(import.meta.dirname, "..", "..", "anchor", "src", "main.ts");
const ISS = "city/gw-1";
const SUB = "meter/m-1";
let log: AnchorLog;
let anchor: AnchorProcess;
let token: string;
/** What stands in the place of a parameter; by route where it is none of all routes. */
let given: Record<string, string>;

const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(anchor.url + path, { ...init, headers: { authorization: `Bearer ${token}` } });

/** Begins a read; until the anchor's own device is enrolled, it can't tell of one. */
async function beginRead(): Promise<{ id: string; access: string }> {
  const body = JSON.stringify({ purpose: "a test", streams: [{ iss: ISS, sub: SUB }] });
  for (;;) {
    const answer = await ask("/reads", { method: "POST", body });
    if (answer.status === 201) return (await answer.json()) as { id: string; access: string };
    expect([answer.status, await answer.text()]).toEqual([503, expect.anything()]);
    await delay(50);
  }
}

async function setUp(): Promise<void> {
  log = await AnchorLog.create();
  log.clock.now = Math.floor(Date.now() / 1000);
  const chain = (await log.enrol(ISS)).chain(SUB);
  log.close();
  const broker = await startBroker();
  const config = anchorConfig(join(log.folder, "anchor.yaml"), { data: log.config.data, broker: broker.url });
  anchor = await startAnchor(config);
  const statements = [await chain.open(), ...(await chain.next(300))];
  for (const { bytes } of statements) await registerAt(anchor.url, bytes);
  const { stdout } = await promisify(execFile)(process.execPath, [
    MAIN,
    "token",
    "add",
    "--config",
    config,
    "--json",
    "--name",
    "auditor",
    "--stream",
    "city/*",
    "--expires",
    "1d",
  ]);
  token = (JSON.parse(stdout) as { token: string }).token;
  const { id } = await beginRead();
  const hash = toHex((statements[1] as Statement).hash);
  const { kid } = log.opened.log.signer.key;
  given = {
    hash,
    ch: toHex(chain.ch),
    iss: ISS,
    sub: SUB,
    kid: toHex(chain.device.signer.key.kid),
    "/registry/{path} path": "000.p/2",
    "/tile/{path} path": "entries/000",
    "/entries/{id} id": hash,
    "/.well-known/scitt-keys/{kid} kid": toBase64Url(kid),
    id,
  };
}
afterEach(async () => {
  await anchor.end("SIGKILL");
  log.remove();
});

/** The path with its parameters and those of its query that have to be there, and `more`. */
function requestOf(
  { path, params, query }: DescribedRoute,
  more: Readonly<Record<string, string>> = {},
): string {
  const values = { ...given, ...more };
  const valueOf = (name: string): string => {
    const value = values[`${path} ${name}`] ?? values[name];
    if (value === undefined) throw new Error(`${path}: what is ${name}?`);
    return value;
  };
  let filled: string = path;
  for (const name of Object.keys(params?.shape ?? {})) filled = filled.replace(`{${name}}`, valueOf(name));
  const asked = Object.entries(query?.shape ?? {}).filter(
    ([name, schema]) => more[name] !== undefined || !schema.safeParse(undefined).success,
  );
  const search = new URLSearchParams(Object.fromEntries(asked.map(([name]) => [name, valueOf(name)])));
  return search.size === 0 ? filled : `${filled}?${search.toString()}`;
}

/** The answer is one that is described, and what is described. */
async function conforms(route: DescribedRoute, answer: Response): Promise<void> {
  const described = route.answers[answer.status];
  const body = await answer.arrayBuffer();
  const text = Buffer.from(body).toString();
  if (described === undefined) throw new Error(`${route.path} answers ${answer.status}: ${text}`);
  const type = answer.headers.get("content-type")?.split(";")[0];
  expect([route.path, type ?? null]).toEqual([route.path, described.type ?? null]);
  if (described.schema !== undefined) described.schema.parse(JSON.parse(text));
  if (described.type !== undefined) expect(body.byteLength).toBeGreaterThan(0);
  const conditional = new Set(["Tally-Next"]);
  for (const name of Object.keys(described.headers ?? {}))
    if (!conditional.has(name))
      expect([route.path, name, answer.headers.has(name)]).toEqual([route.path, name, true]);
}

const GETS = ROUTES.filter(({ method, on }) => method === "get" && on.includes("loopback"));

/** What is wrong with any of its parameters is refused, as described. */
async function refuses(route: DescribedRoute): Promise<number> {
  let refused = 0;
  const inPath = Object.keys(route.params?.shape ?? {});
  for (const name of [...inPath, ...Object.keys(route.query?.shape ?? {})]) {
    for (const wrong of ["zz", "0".repeat(64), "-1", ...(inPath.includes(name) ? [] : [""])]) {
      const answer = await ask(requestOf(route, { [name]: wrong, [`${route.path} ${name}`]: wrong }));
      if (answer.status === 200) continue;
      await conforms(route, answer);
      refused++;
    }
  }
  return refused;
}

test(
  "a running anchor answers each documented GET as documented, good and bad",
  { timeout: 120_000 },
  async () => {
    await setUp();
    let refused = 0;
    for (const route of GETS) {
      const answer = await ask(requestOf(route));
      expect([route.path, answer.status]).toEqual([route.path, 200]);
      await conforms(route, answer);
      refused += await refuses(route);
      if (route.token !== true) continue;
      const unshown = await fetch(anchor.url + requestOf(route));
      expect([route.path, unshown.status]).toEqual([route.path, 401]);
      await conforms(route, unshown);
    }
    expect(refused).toBeGreaterThan(60);
    const committed = readFileSync(join(import.meta.dirname, "..", "..", "docs", "openapi.json"), "utf8");
    expect(await (await ask("/openapi.json")).json()).toEqual(JSON.parse(committed));
  },
);
