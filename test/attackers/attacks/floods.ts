/**
 * Captured devices that send all they can: small messages, one good statement again and again, messages of 512 bad statements.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { encodeCbor, encodeSign1, upTopic } from "@tallystick/evidence";
import { HandChain } from "../../support/hand-chain.ts";
import { captured, nth, signerOf, type Attack, type Attempt, type Parties } from "../attack.ts";
import { MARK } from "../honest.ts";

/** Devices that flood at the same time. */
const FLOODERS = 4;
/** Messages that one has under way. */
const UNDER_WAY = 64;
const MAX_MESSAGE_BYTES = 65_536;
const MAX_ITEMS = 512;

/** Floods with what `next` gives, whether or not anybody keeps up. */
async function flood(
  parties: Parties,
  first: number,
  seconds: number,
  attempt: Attempt,
  next: (iss: string) => Promise<Uint8Array>,
): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  const one = async (n: number): Promise<void> => {
    const iss = nth(parties.captured, n);
    const client = await captured(parties, n);
    client.on("error", () => {});
    await client.subscribeAsync(`tally/v1/${iss}/down`, { qos: 1 });
    const lane = async (): Promise<void> => {
      while (performance.now() < endMs && client.connected) {
        attempt.tried++;
        await client.publishAsync(upTopic(iss), Buffer.from(await next(iss)), { qos: 1 }).catch(() => {});
      }
    };
    await Promise.race([
      Promise.all(Array.from({ length: UNDER_WAY }, lane)),
      new Promise((resolve) => setTimeout(resolve, seconds * 1000 + 500)),
    ]);
    client.end(true);
  };
  await Promise.all(Array.from({ length: FLOODERS }, (_, n) => one(first + n)));
}

export const smallMessages: Attack = (parties, { seconds }, attempt) =>
  flood(parties, 60, seconds, attempt, async () => Buffer.concat([MARK, randomBytes(20)]));

/** Each repeat of a statement that has a receipt fetches it again. */
export const duplicates: Attack = (parties, { seconds }, attempt) =>
  flood(
    parties,
    70,
    seconds,
    attempt,
    onceEach(async (iss) => {
      const chain = new HandChain(iss, "meter/m-1", signerOf(parties, iss));
      return (await chain.open()).bytes;
    }),
  );

/** 512 in a message: each is a COSE_Sign1 of the right type, small, and nothing else is right. */
export const badStatements: Attack = (parties, { seconds }, attempt) =>
  flood(
    parties,
    80,
    seconds,
    attempt,
    onceEach(async () => {
      const protectedBytes = encodeCbor(new Map([[16, 277]]));
      const items = Array.from({ length: MAX_ITEMS }, () =>
        encodeSign1({
          protectedBytes,
          unprotected: new Map(),
          payload: new Uint8Array(randomBytes(24)),
          signature: new Uint8Array(64),
        }),
      );
      return Buffer.concat(items);
    }),
  );

/** As many as fit, each of the right form, by the right device, on a chain of its own: only the signature is wrong. */
export const badSignatures: Attack = (parties, { seconds }, attempt) =>
  flood(
    parties,
    90,
    seconds,
    attempt,
    onceEach(async (iss) => {
      const statements: Uint8Array[] = [];
      for (let bytes = 0; ;) {
        const chain = new HandChain(iss, `meter/x-${statements.length}`, signerOf(parties, iss));
        const statement = new Uint8Array((await chain.open()).bytes);
        statement[statement.length - 1] = (statement.at(-1) ?? 0) ^ 1;
        bytes += statement.length;
        if (bytes > MAX_MESSAGE_BYTES || statements.length === MAX_ITEMS) return Buffer.concat(statements);
        statements.push(statement);
      }
    }),
  );

/** Made once for each device, while its other lanes wait. */
function onceEach(make: (iss: string) => Promise<Uint8Array>): (iss: string) => Promise<Uint8Array> {
  const made = new Map<string, Promise<Uint8Array>>();
  return (iss) => {
    const known = made.get(iss) ?? make(iss);
    made.set(iss, known);
    return known;
  };
}
