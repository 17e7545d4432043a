/**
 * The folder of compiled code: used only where nobody else can have put anything into it.
 *
 * @module
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cacheFolder } from "../../../agent/src/compile-cache.ts";

let root = "";
let data = "";
let config = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tallystick-cache-"));
  data = join(root, "data");
  config = join(root, "agent.yaml");
  mkdirSync(data, { mode: 0o755 });
  write(`data: ${data}`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (line: string): void => writeFileSync(config, `version: 1\norg: city\n${line}\nbroker: {}\n`);
const found = (env: Record<string, string> = {}): string | undefined =>
  cacheFolder(["run", "--config", config], env);
const cache = (): string => join(data, "compile-cache");

describe("the data folder", () => {
  test.for(["data: PATH", "data:   PATH   # here", 'data: "PATH"', "data: 'PATH'", '  "data": "PATH",'])(
    "as %s",
    (line) => {
      write(line.replace("PATH", data));
      expect(found()).toBe(cache());
      expect(statSync(cache()).mode & 0o777).toBe(0o700);
    },
  );

  test("as the environment says, or another option", () => {
    write("");
    expect(found({ TALLYSTICK_DATA: data })).toBe(cache());
    write(`data: ${data}`);
    expect(cacheFolder(["run", `--config=${config}`], {})).toBe(cache());
    expect(cacheFolder(["run", "-c", config], {})).toBe(cache());
    expect(cacheFolder(["run"], { TALLYSTICK_CONFIG: config })).toBe(cache());
  });

  test("that isn't there, or a configuration that isn't, gives none", () => {
    write(`data: ${join(root, "elsewhere")}`);
    expect(found()).toBeUndefined();
    expect(existsSync(join(root, "elsewhere"))).toBe(false);
    expect(cacheFolder(["run", "--config", join(root, "none.yaml")], {})).toBeUndefined();
  });

  test.for([0o777, 0o775, 0o757])("that others may change (%o) gives none", (mode) => {
    chmodSync(data, mode);
    expect(found()).toBeUndefined();
  });
});

describe("the cache folder", () => {
  test("that is there is used again", () => {
    expect(found()).toBe(cache());
    expect(found()).toBe(cache());
  });

  test.for([0o755, 0o750, 0o770, 0o701, 0o500])("of mode %o is not used", (mode) => {
    mkdirSync(cache());
    chmodSync(cache(), mode);
    expect(found()).toBeUndefined();
  });

  test("that is a link, or a file, is not used", () => {
    mkdirSync(join(root, "real"), { mode: 0o700 });
    symlinkSync(join(root, "real"), cache());
    expect(found()).toBeUndefined();
    rmSync(cache());
    writeFileSync(cache(), "", { mode: 0o700 });
    expect(found()).toBeUndefined();
  });

  test.runIf(process.getuid?.() === 0)(
    "of somebody else is not used, nor one in somebody else's data",
    () => {
      mkdirSync(cache(), { mode: 0o700 });
      chownSync(cache(), 12_345, 12_345);
      expect(found()).toBeUndefined();
      chownSync(cache(), 0, 0);
      chownSync(data, 12_345, 12_345);
      expect(found()).toBeUndefined();
    },
  );
});
