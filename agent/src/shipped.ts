#!/usr/bin/env node
/**
 * Where the shipped agent begins: what has to be said to V8 before anything else is loaded, and then the program itself.
 *
 * @module
 */
import { enableCompileCache, flushCompileCache } from "node:module";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { cacheFolder } from "./compile-cache.ts";

/** When the agent has long been running: what it compiled is written once, not only at a clean end, which a gateway seldom has. */
const FLUSH_AFTER_MS = 20_000;

// The young generation stays as it begins, 1 MiB a half: readings are few and small, and 16 MiB of garbage is not flat memory.
setFlagsFromString("--semi-space-growth-factor=1");
// … also while the rest is being marked: by default V8 then lets it grow, and a message of receipts more brings 10 MB at once.
setFlagsFromString("--no-separate-gc-phases");
// The rest is collected before it grows: while a full outbox is delivered, a quarter of the memory would be garbage.
setFlagsFromString("--optimize-for-size");
// Nothing here runs so hot that V8's optimising compilers would pay for their memory: 15 MB for a fifth less processor time, measured while delivering.
setFlagsFromString("--no-opt");
setFlagsFromString("--no-maglev");

const folder = cacheFolder(process.argv.slice(2), process.env);
if (folder !== undefined) {
  enableCompileCache(folder);
  setTimeout(flushCompileCache, FLUSH_AFTER_MS).unref();
}

await import("./main.ts");
