/**
 * `npm run pack -- PROGRAM`: makes packages in `packaging/dist`.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Compression } from "./archive.ts";
import { pack } from "./pack.ts";
import { isProduct, PRODUCTS, versionOfAll, type Architecture, type ProductName } from "./products.ts";

const NAMES = Object.keys(PRODUCTS).join(", ");
const USAGE = `usage: npm run pack -- PROGRAM [--arch ARCHITECTURE] [--out FOLDER] [--compress xz|none]

Makes a tarball and a Debian package of a program (${NAMES}) with Node, for each machine that it is for.
--arch      one machine only: x64 or arm64
--out       folder for them (default packaging/dist)
--compress  none is much faster, for trials (default xz)

All files in it have the time of the newest commit, or SOURCE_DATE_EPOCH. The same sources give the same bytes.
`;

type Asked = {
  readonly product: ProductName;
  readonly architectures: readonly Architecture[];
  readonly out: string;
  readonly compression: Compression;
};

/** @throws Error that says what is wrong with the arguments */
function read(argv: readonly string[]): Asked {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      arch: { type: "string" },
      out: { type: "string" },
      compress: { type: "string", default: "xz" },
    },
    allowPositionals: true,
  });
  const [product = "", ...more] = positionals;
  if (!isProduct(product) || more.length > 0) throw new Error(`name one program: ${NAMES}`);
  const all: readonly Architecture[] = PRODUCTS[product].architectures;
  const architectures = values.arch === undefined ? all : all.filter((one) => one === values.arch);
  if (architectures.length === 0) throw new Error(`--arch: ${product} is for ${all.join(", ")}`);
  const { compress } = values;
  if (compress !== "xz" && compress !== "none") throw new Error("--compress: xz or none");
  return {
    product,
    architectures,
    out: values.out ?? join(import.meta.dirname, "dist"),
    compression: compress,
  };
}

/** @throws Error where neither SOURCE_DATE_EPOCH nor git says it */
function timeOfSources(): number {
  const given = process.env["SOURCE_DATE_EPOCH"] ?? lastCommit();
  if (!/^\d{1,12}$/.test(given))
    throw new Error(
      "what time shall the files have? There is no commit here: set SOURCE_DATE_EPOCH, in seconds since 1970",
    );
  return Number(given);
}

function lastCommit(): string {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "";
  }
}

async function makeAll({ product, architectures, out, compression }: Asked): Promise<void> {
  const unixS = timeOfSources();
  const version = versionOfAll();
  for (const architecture of architectures) {
    const made = await pack({ product, architecture, version }, { out, compression, unixS });
    for (const file of [made.tarball, made.deb]) {
      const bytes = readFileSync(file);
      const megabytes = (bytes.length / 1e6).toFixed(1);
      console.log(
        `${hash("sha256", bytes)}  ${relative(process.cwd(), join(out, basename(file)))}  ${megabytes} MB`,
      );
    }
  }
}

let asked: Asked;
try {
  asked = read(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exit(2);
}
try {
  await makeAll(asked);
} catch (error) {
  process.stderr.write(`pack: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
