/**
 * Stands before an honest anchor and changes what it answers, or answers in its place: what a case is taken from when nobody can be trusted.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** An answer on its way; `path` as it was asked for, with its query. */
export type Passing = { readonly path: string; status: number; body: Uint8Array; next: string | undefined };

export type Hostility = {
  /** Changes an answer of the honest anchor. */
  readonly change?: (answer: Passing) => void;
  /** Answers in its place: true where it did. */
  readonly instead?: (path: string, response: ServerResponse) => boolean;
};

export class HostileAnchor {
  readonly #honest: string;
  readonly #server = createServer((request, response) => void this.#pass(request, response));
  hostility: Hostility = {};
  url = "";

  private constructor(honest: string) {
    this.#honest = honest;
  }

  static async before(honest: string): Promise<HostileAnchor> {
    const anchor = new HostileAnchor(honest);
    anchor.#server.listen(0, "127.0.0.1");
    await once(anchor.#server, "listening");
    anchor.url = `http://127.0.0.1:${(anchor.#server.address() as AddressInfo).port}`;
    return anchor;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (this.hostility.instead?.(path, response) === true) return;
    const { authorization } = request.headers;
    const answer = await fetch(this.#honest + path, {
      method: request.method ?? "GET",
      headers:
        authorization === undefined
          ? {}
          : { Authorization: authorization, "Content-Type": "application/json" },
      ...(parts.length > 0 && { body: Buffer.concat(parts) }),
    });
    const body = new Uint8Array(await answer.arrayBuffer());
    const passing = {
      path,
      status: answer.status,
      body,
      next: answer.headers.get("tally-next") ?? undefined,
    };
    this.hostility.change?.(passing);
    const { status, next } = passing;
    response.writeHead(status, next === undefined ? {} : { "Tally-Next": next }).end(passing.body);
  }
}
