/**
 * The public directory over HTTP, as c2sp.org/tlog-tiles asks: exact paths, types and cache headers. A path is read into coordinates and the
 * file's name is made from those, so that no request reaches another file.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "hono";
import { formatTilePath, isEvidenceError, parseTilePath } from "@tallystick/evidence";
import { CHECKPOINT_FILE } from "../publish/publish.ts";

/** Tiles never change; a partial one is only superseded. */
const FOREVER = "public, max-age=31536000, immutable";
const SHORT = "public, max-age=1";

/** Answers with the checkpoint. */
export async function serveCheckpoint(c: Context, folder: string): Promise<Response> {
  const bytes = await fileBytes(join(folder, CHECKPOINT_FILE));
  if (bytes === undefined) return c.notFound();
  return c.body(bytes, 200, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": SHORT });
}

/** Answers with a tile, an entry bundle or a registry bundle. */
export async function serveTile(c: Context, folder: string): Promise<Response> {
  let name: string;
  try {
    name = formatTilePath(parseTilePath(c.req.path.slice(1)));
  } catch (error) {
    if (isEvidenceError(error)) return c.notFound();
    throw error;
  }
  const bytes = await fileBytes(join(folder, name));
  if (bytes === undefined) return c.notFound();
  return c.body(bytes, 200, { "Content-Type": "application/octet-stream", "Cache-Control": FOREVER });
}

async function fileBytes(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR") return undefined;
    throw error;
  }
}
