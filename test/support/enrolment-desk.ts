/**
 * An anchor's desk for enrolment, over real HTTPS on loopback, on a log in a folder of its own. Items are sequenced when the test says so.
 *
 * @module
 */
import { join } from "node:path";
import { parseInvite, type Invite, type Signer } from "@tallystick/evidence";
import { systemTimer } from "@tallystick/evidence/node";
import { ask, type Answer } from "../../agent/src/enrol/ask.ts";
import { placesOf, type Config } from "../../anchor/src/config.ts";
import { inviterOf, makeInvite, type Invited } from "../../anchor/src/enrolment/inviting.ts";
import { InviteStore } from "../../anchor/src/enrolment/invites.ts";
import { openEnrolment } from "../../anchor/src/enrolment/open.ts";
import { RequestStore } from "../../anchor/src/enrolment/requests.ts";
import { Inbox } from "../../anchor/src/registry/inbox.ts";
import { Lookups } from "../../anchor/src/http/lookups.ts";
import { openPublic, type PublicServer } from "../../anchor/src/http/public-server.ts";
import { PublishedRegistry } from "../../anchor/src/registry/published-registry.ts";
import { KeyStates } from "../../anchor/src/registry/registry.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { Tally } from "../../anchor/src/tally.ts";
import { AnchorLog } from "./anchor-log.ts";
import { selfSigned, type TestCertificate } from "./tls-files.ts";

export type DeskSettings = {
  readonly approve?: "auto" | "ask";
  readonly perAddressPerMinute?: number;
  readonly maxPerAddress?: number;
  readonly requestMs?: number;
};

/** A line of the anchor's log. */
export type Logged = { readonly level: string; readonly about: object; readonly message: string };

export class TestDesk {
  readonly log: AnchorLog;
  readonly config: Config;
  readonly server: PublicServer;
  readonly invites: InviteStore;
  readonly requests: RequestStore;
  readonly tally: Tally;
  readonly logged: readonly Logged[];
  readonly certificate: TestCertificate;
  readonly #inbox: Inbox;
  readonly #close: () => Promise<void>;

  private constructor(
    parts: Pick<TestDesk, "log" | "config" | "server" | "tally" | "logged" | "certificate">,
    end: () => Promise<void>,
  ) {
    this.log = parts.log;
    this.config = parts.config;
    this.server = parts.server;
    this.tally = parts.tally;
    this.logged = parts.logged;
    this.certificate = parts.certificate;
    const { invites, requests, inbox } = placesOf(this.config);
    const nowUnixS = (): number => this.log.clock.now;
    this.invites = new InviteStore(invites, { maxOpen: 1000, nowUnixS });
    this.requests = new RequestStore(requests, inbox);
    this.#inbox = new Inbox(inbox);
    this.#close = end;
  }

  static async open({
    approve = "auto",
    perAddressPerMinute = 10_000,
    maxPerAddress = 64,
    requestMs = 15_000,
  }: DeskSettings = {}): Promise<TestDesk> {
    const log = await AnchorLog.create();
    const certificate = selfSigned(log.folder, "anchor");
    const open = { listen: "127.0.0.1:0", tls: certificate, maxConnections: 512, maxPerAddress, requestMs };
    const broker = { url: "mqtt://127.0.0.1:1883" };
    const enrolment = { approve, expiresS: 3600, maxInvites: 1000, perAddressPerMinute, broker };
    const config: Config = { ...log.config, public: open, enrolment };
    const { opened } = log;
    const provider = createSodiumProvider();
    const tally = new Tally();
    const logged: Logged[] = [];
    const told =
      (level: string) =>
      (about: object, message: string): void =>
        void logged.push({ level, about, message });
    const lines = { info: told("info"), warn: told("warn"), error: told("error") };
    const nowUnixS = (): number => log.clock.now;
    const parts = { config, opened, provider, tally, timer: systemTimer, log: lines, nowUnixS };
    const opening = openEnrolment(parts);
    const keyStates = new KeyStates(opened.keys, opened.store.archive, provider);
    const lookups = new Lookups(opened, keyStates);
    const server = await openPublic(open, {
      publicFolder: log.publicFolder,
      lookups,
      desk: opening.desk,
      perAddressPerMinute,
      timer: systemTimer,
      nowMs: () => 0, // no budget fills again
      log: lines,
    });
    return new TestDesk({ log, config, server, tally, logged, certificate }, async () => {
      opening.close();
      await server.close();
      log.remove();
    });
  }

  /** Makes an invite as the command does, and reads its line. */
  async invite(
    device = "city/gw-1",
    { expiresS = 3600, ...other }: Partial<Invited> & { expiresS?: number } = {},
  ): Promise<Invite> {
    const registry = await PublishedRegistry.read(this.log.publicFolder);
    const at = {
      ...this.config,
      public: this.config.public && { ...this.config.public, url: this.server.url },
    };
    const inviter = inviterOf(at, "anchor.yaml", registry);
    const what = { device, streams: ["*"], silenceS: 900, ...other };
    const { stored, line } = makeInvite(what, inviter, registry, { nowUnixS: this.log.clock.now, expiresS });
    await this.invites.add([stored]);
    return parseInvite(line);
  }

  /** Asks as a device does. */
  ask(invite: Invite, signer: Signer, machine?: Uint8Array): Promise<Answer> {
    return ask({ invite, signer, machine }, AbortSignal.timeout(20_000));
  }

  /** Sequences and publishes what waits in the inbox, as a running anchor does. Returns how many items that were. */
  async sequence(): Promise<number> {
    const found = await this.#inbox.look();
    const done = this.log.sequence(
      found.map(({ statement }) => statement),
      [],
    );
    await this.log.publish(done);
    for (const { file, statement } of found) {
      const refused = done.refused.find((one) => one.statement === statement);
      if (refused === undefined) await this.#inbox.done(file);
      else await this.#inbox.refuse(file, refused.code, refused.code, statement.hash);
    }
    return found.length;
  }

  alarms(): readonly string[] {
    return this.logged
      .filter(({ about }) => "alarm" in about)
      .map(({ about }) => ("code" in about ? String(about.code) : ""));
  }

  place(name: string): string {
    return join(this.log.folder, name);
  }

  close(): Promise<void> {
    return this.#close();
  }
}
