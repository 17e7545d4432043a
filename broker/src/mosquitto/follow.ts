/**
 * Keeps the dynamic security of a running Mosquitto as the registry says: the keys that count have a client and its role, and nobody else of their kind
 * has. What is there is looked at again every few seconds, so that a restart of either side, and whatever else was changed, is made good.
 *
 * A client that is deleted loses its connection at once. It is not merely disabled: dynamic security looks at that only where there is a password.
 *
 * @module
 */
import { EvidenceError, isEvidenceError } from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { Registry } from "../registry/follow.ts";
import type { Control, ControlAnswer, ControlCommand } from "./control.ts";
import { clientOf, deviceRole, isKeyName, type Role } from "./roles.ts";

/** How often it is looked at what is there. */
const LOOK_MS = 10_000;
/** A Mosquitto that comes back may have an older state: it is put right soon. */
const RETRY_MS = 500;
/** Names in one answer. */
const PAGE = 1000;
/** Mosquitto serves nobody while it carries out a message, and writes its whole state for each command in it. */
const MAX_COMMANDS = 16;

export type FollowOptions = {
  readonly registry: Pick<Registry, "devices" | "onChange">;
  readonly control: Control;
  readonly services: readonly Role[];
  readonly timer: Timer;
  /** Called when all is as the registry says, after there was something to change and at first. */
  readonly settled: (change: {
    readonly devices: number;
    readonly added: number;
    readonly removed: number;
  }) => void;
  /** Called at each fault; it goes on. */
  readonly told: (error: EvidenceError) => void;
};

export class MosquittoFollower {
  readonly #options: FollowOptions;
  /** Names as they are there, as far as we know. Undefined: it has to be looked. */
  #there: { readonly clients: Set<string>; readonly roles: Set<string> } | undefined;
  #servicesTold = false;
  #hasSettled = false;
  #added = 0;
  #removed = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { registry, timer, told } = this.#options;
    while (!signal.aborted) {
      const changed = new AbortController();
      const end = registry.onChange(() => changed.abort());
      try {
        const waitMs = await this.#round();
        await sleep(timer, waitMs, AbortSignal.any([signal, changed.signal]));
        if (waitMs === LOOK_MS && !changed.signal.aborted) this.#there = undefined;
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
        told(error);
        this.#there = undefined;
        await sleep(timer, RETRY_MS, signal);
      } finally {
        end();
      }
    }
  }

  /** Takes away all that no longer counts, and adds some of what is not there yet. Returns how long to wait before the next one. */
  async #round(): Promise<number> {
    const { registry, services, settled } = this.#options;
    const devices = registry.devices();
    if (devices === undefined) return RETRY_MS;
    const wanted = new Map([...services, ...devices.map(deviceRole)].map((role) => [role.name, role]));
    this.#there ??= await this.#look();
    const { clients, roles } = this.#there;

    const staleRoles = [...roles].filter((name) => !wanted.has(name));
    const stale = new Set([
      ...[...clients].filter((name) => isKeyName(name) && !wanted.has(name)),
      ...staleRoles.flatMap((name) => clientOf(name) ?? []).filter((name) => clients.has(name)),
    ]);
    await this.#send([...stale].map((username) => ({ command: "deleteClient", username })));
    for (const name of stale) clients.delete(name);
    this.#removed += stale.size;

    const fresh = [...wanted.values()]
      .filter(({ client }) => !clients.has(client))
      .slice(0, MAX_COMMANDS / 2);
    await this.#send(fresh.flatMap(made));
    for (const { client, name } of fresh) {
      clients.add(client);
      roles.add(name);
    }
    this.#added += fresh.length;

    const spare = staleRoles.slice(0, MAX_COMMANDS);
    await this.#send(spare.map((rolename) => ({ command: "deleteRole", rolename })));
    for (const name of spare) roles.delete(name);

    // what was revoked meanwhile comes before the rest
    if (fresh.length === MAX_COMMANDS / 2 || spare.length === MAX_COMMANDS) return 0;
    if (!this.#hasSettled || this.#added + this.#removed > 0)
      settled({ devices: devices.length, added: this.#added, removed: this.#removed });
    this.#hasSettled = true;
    [this.#added, this.#removed] = [0, 0];
    return LOOK_MS;
  }

  async #look(): Promise<{ clients: Set<string>; roles: Set<string> }> {
    const { control, services } = this.#options;
    // Rights of a service are the configuration's, which may be newer than what is there. Not `modifyClient`: it ends the client's connection.
    if (!this.#servicesTold)
      await this.#send(
        services.map(made).flatMap(([role, client]) => [role, { ...role, command: "modifyRole" }, client]),
      );
    this.#servicesTold = true;
    const roles = (await names(control, "listRoles", "roles")).filter((name) => clientOf(name) !== undefined);
    return { clients: new Set(await names(control, "listClients", "clients")), roles: new Set(roles) };
  }

  async #send(commands: readonly ControlCommand[]): Promise<void> {
    for (let at = 0; at < commands.length; at += MAX_COMMANDS)
      check(await this.#options.control(commands.slice(at, at + MAX_COMMANDS)), MAY_BE);
  }
}

/** A role comes before the client that has it. */
const made = ({ name, client, acls }: Role): [ControlCommand, ControlCommand] => [
  { command: "createRole", rolename: name, acls },
  { command: "createClient", username: client, roles: [{ rolename: name }] },
];

/** What a command finds done already is no fault: the other half of an earlier attempt, or another hand. */
const MAY_BE = /^(?:Role|Client) (?:already exists|not found|does not exist)$/;

function check(answers: readonly ControlAnswer[], allowed: RegExp): void {
  for (const { error } of answers) {
    if (error !== undefined && !allowed.test(error))
      throw new EvidenceError("http-answer", `dynamic security refuses a command: ${error.slice(0, 200)}`);
  }
}

async function names(control: Control, command: string, member: string): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const [answer] = await control([{ command, verbose: false, count: PAGE, offset: all.length }]);
    const page = answer?.data?.[member];
    if (!Array.isArray(page))
      throw new EvidenceError("http-answer", `dynamic security: no ${member} in its answer`);
    all.push(...page.filter((name) => typeof name === "string"));
    if (page.length < PAGE) return all;
  }
}
