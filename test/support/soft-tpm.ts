/**
 * A TPM 2.0 in software, with what lies between it and PKCS#11 on Debian: swtpm, a D-Bus of its own, the resource manager tpm2-abrmd, and a token made by tpm2_ptool.
 *
 * @module
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./loopback.ts";

const MODULE_FOLDERS = ["/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
const MODULE = "libtpm2_pkcs11.so.1";
const TOKEN = "edge";
const PIN = "1234";
const PATIENCE_MS = 20_000;

const run = promisify(execFile);

export class SoftTpm {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly place: { readonly module: string; readonly token: string; readonly pinFile: string };
  readonly #children: ChildProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
    const session = "tabrmd:bus_type=session";
    this.env = {
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(folder, "bus")}`,
      TPM2_PKCS11_TCTI: session,
      TPM2TOOLS_TCTI: session,
      TPM2_PKCS11_STORE: join(folder, "store"),
    };
    const home = MODULE_FOLDERS.find((one) => existsSync(one) && readdirSync(one).includes(MODULE));
    this.place = { module: join(home ?? "", MODULE), token: TOKEN, pinFile: join(folder, "pin") };
    writeFileSync(this.place.pinFile, `${PIN}\n`, { mode: 0o600 });
  }

  /** @param folder - an empty one; its path is short, since a socket lies in it */
  static async start(folder: string): Promise<SoftTpm> {
    const tpm = new SoftTpm(folder);
    try {
      await tpm.#start();
      return tpm;
    } catch (error) {
      tpm.stop();
      throw error;
    }
  }

  stop(): void {
    for (const child of this.#children.splice(0).toReversed()) child.kill("SIGKILL");
  }

  async #start(): Promise<void> {
    const store = join(this.folder, "store");
    for (const name of ["state", "store"]) mkdirSync(join(this.folder, name));
    // swtpm takes its commands on one port, and on the next one what concerns its power
    const port = await freePort();
    const at = (one: number): string => `type=tcp,port=${one},bindaddr=127.0.0.1`;
    const state = `dir=${join(this.folder, "state")}`;
    const flags = ["--flags", "not-need-init,startup-clear"];
    const socket = ["--server", at(port), "--ctrl", at(port + 1), ...flags];
    this.#spawn("swtpm", ["socket", "--tpm2", "--tpmstate", state, ...socket]);
    const bus = this.env["DBUS_SESSION_BUS_ADDRESS"];
    this.#spawn("dbus-daemon", ["--session", `--address=${bus}`, "--nofork", "--nopidfile"]);
    await this.#until("the bus", () => existsSync(join(this.folder, "bus")));
    const manager = this.#spawn("tpm2-abrmd", ["--session", "--allow-root", `--tcti=swtpm:port=${port}`]);
    const ready = this.#until("the resource manager", () => this.#answers());
    await Promise.race([ready, once(manager, "exit").then(() => ready)]);
    await this.#tool("init", "--path", store);
    const pins = ["--sopin", "5678", "--userpin", PIN];
    await this.#tool("addtoken", "--pid=1", ...pins, "--label", TOKEN, "--path", store);
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, { env: { ...process.env, ...this.env }, stdio: "ignore" });
    this.#children.push(child);
    return child;
  }

  async #answers(): Promise<boolean> {
    return run("tpm2_getrandom", ["--hex", "4"], { env: { ...process.env, ...this.env } }).then(
      () => true,
      () => false,
    );
  }

  async #tool(...args: readonly string[]): Promise<void> {
    await run("tpm2_ptool", args, { env: { ...process.env, ...this.env } });
  }

  async #until(what: string, isThere: () => boolean | Promise<boolean>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await isThere())) {
      if (performance.now() > endMs) throw new Error(`${what} is not there after ${PATIENCE_MS / 1000} s`);
      await pause(50);
    }
  }
}
