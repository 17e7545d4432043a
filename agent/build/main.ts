/**
 * `npm run build`: makes `agent/dist`.
 *
 * @module
 */
import { join, relative } from "node:path";
import process from "node:process";
import { buildAgent } from "./bundle.ts";

const [given, ...more] = process.argv.slice(2);
if (given?.startsWith("-") === true || more.length > 0) {
  process.stderr.write("usage: npm run build -- [FOLDER]   (default agent/dist)\n");
  process.exit(2);
}
const folder = given ?? join(import.meta.dirname, "..", "dist");
const files = await buildAgent(folder);
console.log(`${relative(process.cwd(), folder)}: ${files.length} files of code, tally-agent.js first`);
