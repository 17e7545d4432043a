/**
 * Archives whose bytes depend on what is in them and on nothing else: names sorted, owned by root, all of one time.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";

export type Compression = "xz" | "none";
export const SUFFIX: Readonly<Record<Compression, string>> = { xz: ".tar.xz", none: ".tar" };

/** Writes `folder`, without its own name, as a tar to `file`; of links, what they lead to. @throws Error where there is no GNU tar or xz */
export function writeTar(folder: string, file: string, unixS: number, compression: Compression): void {
  const out = openSync(file, "w");
  try {
    const tar = [
      "--create",
      "--format=gnu",
      "--sort=name",
      "--dereference",
      `--mtime=@${unixS}`,
      "--owner=root:0",
      "--group=root:0",
      "--mode=u+rwX,go=rX",
      // one thread: what several write depends on how many there are
      ...(compression === "xz" ? ["--use-compress-program=xz -6 --threads=1"] : []),
      `--directory=${folder}`,
      ".",
    ];
    const { error, status } = spawnSync("tar", tar, {
      stdio: ["ignore", out, "inherit"],
      env: { PATH: process.env["PATH"], LC_ALL: "C" },
    });
    if (error !== undefined || status !== 0)
      throw new Error(
        `${file}: tar failed${error === undefined ? "" : `: ${error.message}`}; it takes GNU tar and xz`,
      );
  } finally {
    closeSync(out);
  }
}

export type Member = { readonly name: string; readonly bytes: Uint8Array };

/** A Debian package (deb(5)): an ar archive of three members, in this order. */
export function writeDeb(file: string, control: Member, data: Member, unixS: number): void {
  const members: readonly Member[] = [{ name: "debian-binary", bytes: Buffer.from("2.0\n") }, control, data];
  writeFileSync(
    file,
    Buffer.concat([
      Buffer.from("!<arch>\n"),
      ...members.flatMap(({ name, bytes }) => [
        header(name, bytes.length, unixS),
        bytes,
        Buffer.alloc(bytes.length % 2, "\n"),
      ]),
    ]),
  );
}

/** The 60 bytes before a member (ar(5)): name, time, owner, group, mode in octal, size. */
const header = (name: string, size: number, unixS: number): Buffer =>
  Buffer.from(
    [
      name.padEnd(16),
      String(unixS).padEnd(12),
      "0".padEnd(6),
      "0".padEnd(6),
      "100644".padEnd(8),
      String(size).padEnd(10),
      "`\n",
    ].join(""),
    "latin1",
  );

export const member = (name: string, file: string): Member => ({ name, bytes: readFileSync(file) });
