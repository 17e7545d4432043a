/**
 * A package: a tarball, and a .deb that holds the same tarball. The same sources give the same bytes.
 *
 * @module
 */
import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
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

/** Makes both files of a package, in place of what has their names. */
export async function pack(target: Target, { out, compression, unixS }: PackOptions): Promise<Packed> {
  const { product, architecture, version } = target;
  const name = `${PRODUCTS[product].program}_${debianVersion(version)}`;
  const work = mkdtempSync(join(tmpdir(), "tallystick-pack-"));
  try {
    const [root, control] = [join(work, "root"), join(work, "control")];
    await stageFiles(target, root);
    const files = filesIn(root);
    const sums = files.map((file) => `${hash("md5", readFileSync(join(root, file)))}  ${file}\n`).join("");
    const bytes = files.reduce((total, file) => total + statSync(join(root, file)).size, 0);
    stageControl(target, control, sums, bytes);

    mkdirSync(out, { recursive: true });
    const tarball = join(out, `${name}_linux-${architecture}${SUFFIX[compression]}`);
    const controlTar = join(work, "control.tar");
    const deb = join(out, `${name}_${DEBIAN[architecture]}.deb`);
    writeTar(root, tarball, unixS, compression);
    writeTar(control, controlTar, unixS, compression);
    const suffix = SUFFIX[compression];
    writeDeb(deb, member(`control${suffix}`, controlTar), member(`data${suffix}`, tarball), unixS);
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
