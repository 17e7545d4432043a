/**
 * Pages in a real Chromium, spoken to over a pipe (Chrome DevTools Protocol): what a page shows, what it complains of, and what it asks of a network.
 *
 * @module
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";

type Message = {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
};
type Params = Readonly<Record<string, unknown>>;

/** How a page is looked at. */
export type Look = { readonly width: number; readonly height: number; readonly scheme: "light" | "dark" };

export class Chromium {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #write: Writable;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #listener: (message: Message) => void = () => undefined;
  #rest = "";
  #id = 0;

  private constructor(process: ChildProcess, profile: string) {
    this.#process = process;
    this.#profile = profile;
    this.#write = process.stdio[3] as Writable;
    const read = process.stdio[4] as Readable;
    read.setEncoding("utf8");
    read.on("data", (text: string) => this.#take(text));
  }

  static start(): Chromium {
    const profile = mkdtempSync(join(tmpdir(), "tally-chromium-"));
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"];
    const process = spawn("chromium", [...flags, `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    return new Chromium(process, profile);
  }

  /** Opens a file, and gives what it complains of and asks for until it is loaded. */
  async open(file: string, look: Look): Promise<ChromiumPage> {
    const { targetId } = await this.#ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#ask("Target.attachToTarget", { targetId, flatten: true });
    const ask = (method: string, params: Params = {}): Promise<Params> =>
      this.#ask(method, params, sessionId);
    const complaints: string[] = [];
    const requests: string[] = [];
    const loaded = new Promise<void>((resolve) => {
      this.#listener = ({ method, params = {} }) => {
        if (method === "Page.loadEventFired") resolve();
        if (method === "Log.entryAdded") complaints.push((params["entry"] as { text: string }).text);
        if (method === "Runtime.exceptionThrown" || method === "Runtime.consoleAPICalled")
          complaints.push(JSON.stringify(params));
        if (method === "Network.requestWillBeSent")
          requests.push((params["request"] as { url: string }).url.slice(0, 80));
      };
    });
    for (const domain of ["Page", "Log", "Runtime", "Network"]) await ask(`${domain}.enable`);
    const { width, height, scheme } = look;
    await ask("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: width < 600,
    });
    await ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await ask("Page.navigate", { url: pathToFileURL(file).href });
    await loaded;
    return new ChromiumPage(ask, complaints, requests);
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#process.once("exit", () => resolve());
    });
    this.#process.kill();
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #ask(method: string, params: Params, sessionId?: unknown): Promise<Params> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result = {}, error }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
      const message = { id, method, params, ...(sessionId === undefined ? {} : { sessionId }) };
      this.#write.write(`${JSON.stringify(message)}\0`);
    });
  }

  /** Messages are ended by a zero byte. */
  #take(text: string): void {
    const parts = (this.#rest + text).split("\0");
    this.#rest = parts.pop() ?? "";
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id === undefined) this.#listener(message);
      else this.#waiting.get(message.id)?.(message);
    }
  }
}

export class ChromiumPage {
  readonly #ask: (method: string, params?: Params) => Promise<Params>;
  /** Errors and warnings of the page, violations of its policy among them. */
  readonly complaints: readonly string[];
  /** Addresses that it asked for, its own included. */
  readonly requests: readonly string[];

  constructor(
    ask: (method: string, params?: Params) => Promise<Params>,
    complaints: readonly string[],
    requests: readonly string[],
  ) {
    this.#ask = ask;
    this.complaints = complaints;
    this.requests = requests;
  }

  /** The value of an expression in the page; only what JSON has. */
  async value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#ask("Runtime.evaluate", {
      expression,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  /** One press of a key. */
  async press(key: string): Promise<void> {
    for (const type of ["rawKeyDown", "keyUp"])
      await this.#ask("Input.dispatchKeyEvent", {
        type,
        key,
        code: key,
        windowsVirtualKeyCode: key === "Tab" ? 9 : 13,
      });
  }

  async screenshot(): Promise<Uint8Array> {
    const { data } = await this.#ask("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: true,
    });
    return new Uint8Array(Buffer.from(data as string, "base64"));
  }

  async print(): Promise<Uint8Array> {
    const { data } = await this.#ask("Page.printToPDF", { printBackground: true });
    return new Uint8Array(Buffer.from(data as string, "base64"));
  }
}
