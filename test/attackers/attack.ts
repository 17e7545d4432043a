/**
 * What an attack is to those who run it, and what its authors have at hand.
 *
 * @module
 */
import type { IClientOptions } from "mqtt";
import type { Signer } from "@tallystick/evidence";
import { loadSigner } from "@tallystick/evidence/node";
import { device, dial, speak } from "../support/token-client.ts";
import type { Target } from "./fortress.ts";

/** Devices that an attack is against, in whose name, or with whose keys it is made. */
export type Parties = {
  readonly target: Target;
  readonly honest: readonly string[];
  readonly captured: readonly string[];
  readonly revoked: readonly string[];
};

export type Attempt = {
  /** How often something was tried. */
  tried: number;
  /** What succeeded that must not. */
  readonly breaches: string[];
};

export type Attack = (parties: Parties, options: AttackOptions, attempt: Attempt) => Promise<void>;

export type AttackOptions = {
  readonly seed: number;
  /** For attacks that go on: how long. */
  readonly seconds: number;
  /** For attacks that are counted: how many times the usual number. */
  readonly times: number;
};

const signers = new Map<string, Signer>();

export function signerOf({ target }: Parties, iss: string): Signer {
  const file = target.keys[iss] ?? "";
  const signer = signers.get(file) ?? loadSigner(file);
  signers.set(file, signer);
  return signer;
}

/** Source addresses of this machine's loopback that no honest client has. */
export const addressOf = (n: number): string => `127.0.${1 + Math.floor(n / 250)}.${2 + (n % 250)}`;

/** A captured device, let in as itself. */
export const captured = (parties: Parties, n: number, options: IClientOptions = {}, from = addressOf(n)) => {
  const iss = nth(parties.captured, n);
  return device(parties.target.mqtts, iss, signerOf(parties, iss), { ...options, from });
};

/** What CONNECT of these options answers, on a connection of its own: 0 is in. */
export async function answerOf(
  { target }: Parties,
  options: IClientOptions | ((socket: Awaited<ReturnType<typeof dial>>) => Promise<IClientOptions>),
  from = addressOf(0),
): Promise<number> {
  const socket = await dial(target.mqtts, { localAddress: from });
  try {
    const client = await speak(socket, typeof options === "function" ? await options(socket) : options);
    client.end(true);
    return 0;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    return typeof code === "number" ? code : -1;
  } finally {
    socket.destroy();
  }
}

export const nth = <T>(all: readonly T[], n: number): T => {
  const one = all[n % all.length];
  if (one === undefined) throw new Error("nobody is there");
  return one;
};

/** Runs `work` for the numbers below `count`, some at a time. */
export async function inLanes(
  count: number,
  lanes: number,
  work: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
