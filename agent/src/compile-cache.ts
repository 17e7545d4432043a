/**
 * Where the shipped agent keeps what V8 made of its code, so that the next start needn't compile it again. Whoever can write there can have
 * the agent run what they like: so it is a folder of the agent's own user that nobody else may enter, or there is none.
 *
 * @module
 */
import { lstatSync, mkdirSync, readFileSync, type Stats } from "node:fs";
import { join } from "node:path";

const FOLDER = "compile-cache";
const DEFAULT_CONFIG = "/etc/tallystick/agent.yaml";
const DEFAULT_DATA = "/var/lib/tallystick/agent";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The cache folder that may be used, made if it isn't there; undefined where there is no data folder yet, or one that others may change.
 *
 * @param argv - the command's arguments: they may name the configuration
 */
export function cacheFolder(argv: readonly string[], env: Environment): string | undefined {
  const uid = process.getuid?.();
  const data = env["TALLYSTICK_DATA"] ?? dataFolder(configFile(argv, env));
  if (uid === undefined || data === undefined) return undefined;
  const parent = statOf(data);
  if (parent === undefined || !isOwn(parent, uid) || (parent.mode & 0o022) !== 0) return undefined;
  const folder = join(data, FOLDER);
  try {
    if (statOf(folder) === undefined) mkdirSync(folder, { mode: 0o700 });
  } catch {
    return undefined; // a disk that is full or may not be written: then it is compiled each time
  }
  const found = statOf(folder);
  // hostile: a symbolic link, a folder of somebody else's, one that others may read or write
  const usable = found !== undefined && isOwn(found, uid) && (found.mode & 0o777) === 0o700;
  return usable ? folder : undefined;
}

const isOwn = (stats: Stats, uid: number): boolean => stats.isDirectory() && stats.uid === uid;

const statOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

function configFile(argv: readonly string[], env: Environment): string {
  for (const [i, word] of argv.entries()) {
    if (word === "--config" || word === "-c") return argv[i + 1] ?? DEFAULT_CONFIG;
    if (word.startsWith("--config=")) return word.slice("--config=".length);
  }
  return env["TALLYSTICK_CONFIG"] ?? DEFAULT_CONFIG;
}

/** A line `data: PATH`, plain or quoted, as YAML and JSON have it. */
const DATA_LINE =
  /^\s*"?data"?\s*:\s*(?:"([^"\\]*)"|'([^']*)'|([^\s"'#,{}[\]&*!|>%@`][^#,{}]*?))\s*(?:,|#.*)?$/m;

/**
 * The data folder that a configuration names, found without reading YAML, which would have to be loaded before the cache. Where the guess is wrong
 * the code is compiled anew, and nothing else happens.
 */
function dataFolder(config: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(config, "utf8");
  } catch {
    return undefined;
  }
  const [, double, single, plain] = DATA_LINE.exec(text) ?? [];
  return double ?? single ?? plain ?? DEFAULT_DATA;
}
