/**
 * The load as a process of its own: it is told what to do in one message, says when it is ready, and begins when it is told to.
 *
 * @module
 */
import process from "node:process";
import type { LoadMessage, LoadOptions } from "./load/options.ts";
import { presignAll } from "./load/presign-all.ts";
import { Load } from "./load/run.ts";

const next = <T>(): Promise<T> =>
  new Promise((resolve) => process.once("message", (message) => resolve(message as T)));
const tell = (message: LoadMessage): void => void process.send?.(message);

const options = await next<LoadOptions>();
const startedMs = performance.now();
const presigned = await presignAll(options);
const statements = presigned.reduce((sum, { hashes }) => sum + hashes.length / 32, 0);
const bytes = presigned.reduce((sum, { packets }) => sum + packets.length, 0);
const load = new Load(options, presigned, tell);
await load.connect();
const signedPerS = statements / ((performance.now() - startedMs) / 1000);
const go = next<"go">();
tell({ kind: "ready", signedPerS, statementBytes: bytes / statements });
await go;
tell({ kind: "result", result: await load.run() });
process.disconnect();
