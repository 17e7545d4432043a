import { createServer, type RequestListener, type Server } from "node:http";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import {
  directoryPlace,
  httpPlace,
  type HttpLimits,
  openPlace,
  readRequired,
} from "@tallystick/evidence/node";

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const code = (expected: string): unknown =>
  expect.objectContaining({ name: "EvidenceError", code: expected }) as unknown;

function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "tally-place-"));
  cleanups.push(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

async function serve(handler: RequestListener): Promise<string> {
  const server: Server = createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const quick: HttpLimits = { timeoutMs: 300, attempts: 2, retryMs: 1 };
const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

describe("a folder", () => {
  test("gives files, undefined for what is not there, and refuses what is too large", async () => {
    const place = directoryPlace(folder({ checkpoint: "note", "tile/0/000": "abc", empty: "" }));
    expect(text(await place.read("checkpoint", 4))).toBe("note");
    expect(text(await place.read("tile/0/000", 100))).toBe("abc");
    expect(text(await place.read("empty", 0))).toBe("");
    expect(await place.read("tile/0/001", 100)).toBeUndefined();
    expect(await place.read("checkpoint/below", 100)).toBeUndefined();
    await expect(place.read("checkpoint", 3)).rejects.toThrow(code("too-large"));
    await expect(place.read("tile", 100)).rejects.toThrow(code("unreachable"));
    await expect(readRequired(place, "nothing", 1)).rejects.toThrow(code("tile-missing"));
  });

  test.skipIf(!existsSync("/dev/zero"))("is not held up by a file without end", async () => {
    await expect(directoryPlace("/dev").read("zero", 10)).rejects.toThrow(code("unreachable"));
  });

  test("lists what is below a folder, and nothing below one that is not there", async () => {
    const place = directoryPlace(
      folder({ checkpoint: "", "tile/0/x001/000": "", "tile/entries/000.p/3": "" }),
    );
    const list = place.list ?? expect.fail();
    expect((await Array.fromAsync(list("tile"))).sort()).toEqual(["tile/0/x001/000", "tile/entries/000.p/3"]);
    expect(await Array.fromAsync(list("registry"))).toEqual([]);
  });
});

describe("a web server", () => {
  test("gives files below its path, with a query, and undefined for 404", async () => {
    const base = await serve((request, response) => {
      if (request.url === "/log/a/b?size=3") response.end("body");
      else response.writeHead(404).end("x".repeat(100_000));
    });
    const place = httpPlace(`${base}log`, quick);
    expect(text(await place.read("a/b?size=3", 4))).toBe("body");
    expect(await place.read("a/c", 4)).toBeUndefined();
  });

  test("that sends without end, with or without a stated length, is cut off", async () => {
    const base = await serve((request, response) => {
      if (request.url === "/stated") response.setHeader("content-length", 1e9);
      const more = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(more));
      };
      more();
    });
    await expect(httpPlace(base, quick).read("endless", 1_000_000)).rejects.toThrow(code("too-large"));
    await expect(httpPlace(base, quick).read("stated", 1000)).rejects.toThrow(code("too-large"));
  });

  test("that hangs, or drips, is left after the time limit", async () => {
    let requests = 0;
    const base = await serve((request, response) => {
      requests++;
      if (request.url !== "/drip") return; // never answers
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    });
    await expect(httpPlace(base, quick).read("hang", 1000)).rejects.toThrow(code("unreachable"));
    await expect(httpPlace(base, quick).read("drip", 1_000_000)).rejects.toThrow(code("unreachable"));
    expect(requests).toBe(4);
  });

  test("that lies about the length of its answer is not believed", async () => {
    const base = await serve((_, response) => {
      response.setHeader("content-length", 100);
      response.write("short");
      response.socket?.end();
    });
    await expect(httpPlace(base, quick).read("a", 1000)).rejects.toThrow(code("unreachable"));
  });

  test("is asked again after a fault of its own, and not after a fault of ours", async () => {
    const asked: string[] = [];
    const base = await serve((request, response) => {
      asked.push(request.url ?? "");
      if (request.url === "/busy" && asked.length > 1) response.end("ok");
      else response.writeHead(request.url === "/busy" ? 503 : 400).end();
    });
    expect(text(await httpPlace(base, quick).read("busy", 10))).toBe("ok");
    await expect(httpPlace(base, quick).read("bad", 10)).rejects.toThrow(code("http-answer"));
    expect(asked).toEqual(["/busy", "/busy", "/bad"]);
  });

  test("is not followed elsewhere, the answer says where it points", async () => {
    const base = await serve((_, response) =>
      response.writeHead(302, { location: "http://elsewhere.example/" }).end(),
    );
    await expect(httpPlace(base, quick).read("a", 10)).rejects.toThrow(/elsewhere\.example/);
  });

  test("that is not there", async () => {
    const base = await serve(() => undefined);
    await cleanups.pop()?.();
    await expect(httpPlace(base, quick).read("a", 10)).rejects.toThrow(code("unreachable"));
  });

  test.for(["http://", "http://user:secret@host/", "http://host/?q", "http://host/#f"])(
    "%s is no address",
    (address) => {
      expect(() => openPlace(address)).toThrow(code("text-malformed"));
    },
  );
});
