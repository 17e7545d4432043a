/**
 * A machine of its own for a test: Debian as debootstrap makes it, with systemd as its first process, in namespaces of this one: processes, files,
 * network and control groups are its own. It ends with the test.
 *
 * @module
 */
import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

const PACKAGES = "systemd";
const DEBOOTSTRAP_MS = 240_000;
const BOOT_MS = 40_000;
const COMMAND_MS = 90_000;
const LOOK_MS = 50;
const MAX_OUTPUT_BYTES = 64 << 20;

/** In the new namespaces, before the first process: what a kernel would have mounted for it. $1 is the root. */
const MOUNTS = `set -e
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
pivot_root . mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . sh -c "umount -l /mnt && exec /lib/systemd/systemd --log-target=journal"
`;

/**
 * A fresh Debian of this machine's release with systemd, made once and kept among the temporary files.
 *
 * @returns its root, which nobody may change
 */
export async function debianRoot(): Promise<string> {
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "bookworm";
  const kept = join(tmpdir(), `tallystick-debian-${suite}-${PACKAGES}`);
  if (existsSync(kept)) return kept;
  const made = mkdtempSync(`${kept}-new-`);
  chmodSync(made, 0o755);
  const options = ["--variant=minbase", `--include=${PACKAGES}`];
  try {
    await run("debootstrap", [...options, suite, made, ...mirror(suite)], {
      timeout: DEBOOTSTRAP_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
  } catch (error) {
    await run("rm", ["-rf", "--one-file-system", made]);
    throw error;
  }
  rmSync(join(made, "var", "cache", "apt", "archives"), { recursive: true, force: true });
  try {
    renameSync(made, kept);
  } catch (error) {
    if (!existsSync(kept)) throw error; // else another run was as quick
    rmSync(made, { recursive: true, force: true });
  }
  return kept;
}

/** Where this machine gets its own packages from; nothing where it doesn't say. */
function mirror(suite: string): readonly string[] {
  try {
    const wanted = ["Created-By: Packages", `Codename: ${suite}`, "Component: main"];
    const known = execFileSync("apt-get", ["indextargets", "--format", "$(REPO_URI)", ...wanted], {
      encoding: "utf8",
    });
    return known
      .split("\n")
      .filter((line) => line.startsWith("http"))
      .slice(0, 1);
  } catch {
    return [];
  }
}

export type Output = { readonly code: number; readonly stdout: string; readonly stderr: string };

export class Machine {
  /** Its root, seen from outside. */
  readonly root: string;
  readonly #holder: ChildProcess;
  readonly #group: string;
  #pid = 0;
  #said = "";

  private constructor(root: string, script: string, group: string) {
    this.root = root;
    this.#group = group;
    const namespaces = ["--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup", "--fork", "--kill-child"];
    const inGroup = `echo $$ > ${group}/cgroup.procs && exec unshare ${namespaces.join(" ")} sh ${script} ${root}`;
    this.#holder = spawn("setpriv", ["--pdeathsig", "KILL", "sh", "-c", inGroup], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#holder.stderr?.on("data", (chunk: Buffer) => (this.#said += chunk.toString()));
  }

  /**
   * Copies `base` and starts it.
   *
   * @param prepare - is given its root before
   * @throws Error where this system doesn't let it
   */
  static async start(base: string, prepare: (root: string) => Promise<void>): Promise<Machine> {
    const folder = mkdtempSync(join(tmpdir(), "tallystick-machine-"));
    const root = join(folder, "root");
    let machine: Machine | undefined;
    try {
      await run("cp", ["-a", base, root]);
      for (const unit of ["systemd-networkd", "systemd-timesyncd", "systemd-logind"]) mask(root, unit);
      writeFileSync(join(root, "etc", "machine-id"), `${randomBytes(16).toString("hex")}\n`);
      await prepare(root);
      const script = join(folder, "mounts");
      writeFileSync(script, MOUNTS);
      machine = new Machine(root, script, controlGroup());
      await machine.#boot();
      return machine;
    } catch (error) {
      await (machine === undefined ? run("rm", ["-rf", folder]) : machine.end());
      throw error;
    }
  }

  async #boot(): Promise<void> {
    for (let waitedMs = 0; waitedMs < BOOT_MS && this.#holder.exitCode === null; waitedMs += LOOK_MS) {
      await delay(LOOK_MS);
      const pid = childOf(this.#holder.pid ?? 0);
      if (pid === undefined || !isRootOf(pid, this.root)) continue;
      this.#pid = pid;
      const { stdout } = await this.try("systemctl", "is-system-running");
      if (/running|degraded/.test(stdout)) return;
    }
    throw new Error(`the machine does not start: ${this.#said}`);
  }

  /** Runs a command in it as root, and resolves however it ends. */
  async try(...command: readonly string[]): Promise<Output> {
    // Never outside: what a test does here would be done to this machine.
    if (!isRootOf(this.#pid, this.root)) throw new Error(`${this.root}: no machine runs there`);
    const into = [
      "--target",
      String(this.#pid),
      "--mount",
      "--pid",
      "--ipc",
      "--uts",
      "--net",
      "--root",
      "--wd",
    ];
    const clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"];
    try {
      const { stdout, stderr } = await run("nsenter", [...into, "--", ...clean, ...command], {
        timeout: COMMAND_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
      });
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
      return {
        code: typeof code === "number" ? code : -1,
        stdout: stdout ?? "",
        stderr: stderr ?? String(error),
      };
    }
  }

  /** As {@link try}. @throws Error with what it said, where it fails */
  async run(...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...command);
    if (code !== 0) throw new Error(`${command.join(" ")}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  path(...names: readonly string[]): string {
    return join(this.root, ...names);
  }

  async end(): Promise<void> {
    const gone = once(this.#holder, "exit");
    if (this.#holder.exitCode === null && this.#holder.signalCode === null) {
      this.#holder.kill("SIGKILL");
      await gone;
    }
    for (let tries = 0; tries < 100 && !removeGroup(this.#group); tries++) await delay(LOOK_MS);
    await run("rm", ["-rf", join(this.root, "..")]);
  }
}

function mask(root: string, unit: string): void {
  const file = join(root, "etc", "systemd", "system", `${unit}.service`);
  rmSync(file, { force: true });
  execFileSync("ln", ["-s", "/dev/null", file]);
}

/** A control group of its own, where its systemd can be the first. @throws Error where there are none, or this isn't root */
function controlGroup(): string {
  const mounts = readFileSync("/proc/mounts", "utf8");
  const [, at] = /^\S+ (\S+) cgroup2 /m.exec(mounts) ?? [];
  if (at === undefined) throw new Error("no control groups (cgroup2) are mounted here");
  const group = join(at, `tallystick-${process.pid}-${Date.now()}`);
  mkdirSync(group);
  return group;
}

/** Removes a group whose processes have ended, its own groups first. */
function removeGroup(group: string): boolean {
  try {
    for (const one of readdirSync(group, { withFileTypes: true }))
      if (one.isDirectory() && !removeGroup(join(group, one.name))) return false;
    rmdirSync(group);
    return true;
  } catch {
    return !existsSync(group);
  }
}

/** True once a process sees that folder as its root. */
function isRootOf(pid: number, root: string): boolean {
  try {
    const [its, wanted] = [statSync(`/proc/${pid}/root/`), statSync(root)];
    return its.dev === wanted.dev && its.ino === wanted.ino;
  } catch {
    return false;
  }
}

function childOf(pid: number): number | undefined {
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    return child === undefined || child === "" ? undefined : Number(child);
  } catch {
    return undefined;
  }
}
