/**
 * A package: a tarball, and a .deb that holds the same tarball. The same sources give the same bytes.
 *
 * @module
 */
import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { member, SUFFIX, writeDeb, writeTar, type Compression } from "./archive.ts";
import { DEBIAN, debianVersion, PRODUCTS } from "./products.ts";
import { stageControl, stageFiles, type Target } from "./stage.ts";

export type PackOptions = {
  /** Folder for the packages. */
  readonly out: string;
  readonly compression: Compression;
  /** The one time that all files in it have. */
  readonly unixS: number;
};

export type Packed = { readonly tarball: string; readonly deb: string };

/** Makes both files of a package, in place of what has their names; they get them when both are whole. */
export async function pack(target: Target, { out, compression, unixS }: PackOptions): Promise<Packed> {
  const { product, architecture, version } = target;
  const name = join(out, `${PRODUCTS[product].program}_${debianVersion(version)}`);
  const suffix = SUFFIX[compression];
  const tarball = `${name}_linux-${architecture}${suffix}`;
  const deb = `${name}_${DEBIAN[architecture]}.deb`;
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(join(out, ".packing-"));
  try {
    const inWork = (file: string): string => join(work, file);
    await stageFiles(target, inWork("root"));
    const files = filesIn(inWork("root")).map((file) => ({ file, path: join(inWork("root"), file) }));
    const sums = files.map(({ file, path }) => `${hash("md5", readFileSync(path))}  ${file}\n`).join("");
    const bytes = files.reduce((total, { path }) => total + statSync(path).size, 0);
    stageControl(target, inWork("control"), sums, bytes);

    writeTar(inWork("root"), inWork("data.tar"), unixS, compression);
    writeTar(inWork("control"), inWork("control.tar"), unixS, compression);
    const [control, data] = [
      member(`control${suffix}`, inWork("control.tar")),
      member(`data${suffix}`, inWork("data.tar")),
    ];
    writeDeb(inWork("deb"), control, data, unixS);
    renameSync(inWork("data.tar"), tarball);
    renameSync(inWork("deb"), deb);
    return { tarball, deb };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Names of all files under `folder`, sorted. */
const filesIn = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => statSync(join(folder, file)).isFile())
    .toSorted();
