/**
 * `npm run build`: makes `agent/dist`.
 *
 * @module
 */
import { join, relative } from "node:path";
import process from "node:process";
import { buildAgent } from "./bundle.ts";

const folder = process.argv[2] ?? join(import.meta.dirname, "..", "dist");
const files = await buildAgent(folder);
console.log(`${relative(process.cwd(), folder)}: ${files.length} files of code, tally-agent.js first`);
