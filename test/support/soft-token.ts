/**
 * A token of SoftHSM in a folder of its own, as a gateway's configuration names it.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

const SOFT_MODULE = "/usr/lib/softhsm/libsofthsm2.so";
const TOKEN = "edge";
const PIN = "1234";

export class SoftToken {
  readonly folder: string;
  /** What programs that use it need in their environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Settings under `pkcs11`, but for the key's name. */
  readonly place: { readonly module: string; readonly token: string; readonly pinFile: string };

  /** @param folder - an empty one */
  constructor(folder: string) {
    this.folder = folder;
    const conf = join(folder, "softhsm2.conf");
    mkdirSync(join(folder, "tokens"), { recursive: true });
    writeFileSync(conf, `directories.tokendir = ${join(folder, "tokens")}\nlog.level = ERROR\n`);
    this.env = { SOFTHSM2_CONF: conf };
    this.place = { module: SOFT_MODULE, token: TOKEN, pinFile: join(folder, "pin") };
    writeFileSync(this.place.pinFile, `${PIN}\n`, { mode: 0o600 });
    this.add(TOKEN);
  }

  /** Makes another token beside it. */
  add(label: string): void {
    const args = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "5678"];
    execFileSync("softhsm2-util", args, { env: { ...process.env, ...this.env }, stdio: "ignore" });
  }

  unplug(): void {
    renameSync(join(this.folder, "tokens"), join(this.folder, "drawer"));
    mkdirSync(join(this.folder, "tokens"));
  }

  plug(): void {
    renameSync(join(this.folder, "drawer"), join(this.folder, "tokens"));
  }
}
