/**
 * A captured device that is let in, as it must be, and then reaches for what is not its own.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { MARK } from "../honest.ts";
import { addressOf, answerOf, captured, nth, signerOf, type Attack } from "../attack.ts";
import { tokenFor } from "../../support/token-client.ts";

const ANSWER_MS = 2000;

/** Topics of others, of nobody, and of the broker itself. */
const foreign = (victim: string): readonly string[] => [
  `tally/v1/${victim}/up`,
  `tally/v1/${victim}/down`,
  `tally/v1/${victim}/state`,
  "tally/v1/checkpoint",
  "tally/v1/city/nobody/up",
  "$SYS/broker/version",
  "$SYS/x/new/clients",
  "$share/g/tally/v1/checkpoint",
  `tally/v1/${victim}/up/x`,
  `tally/v1/${victim}`,
  `/tally/v1/${victim}/up`,
  `tally/v2/${victim}/up`,
  `tally/v1/${victim.toUpperCase()}/up`,
  "x",
];

const filters = (victim: string): readonly string[] => [
  "#",
  "+",
  "+/#",
  "tally/#",
  "tally/v1/#",
  "tally/v1/+/+/up",
  "tally/v1/+/+/down",
  "tally/v1/city/+/down",
  "tally/v1/+/+/state",
  "tally/v1/+",
  "$SYS/#",
  "$SYS/+/new/clients",
  "$share/g/tally/v1/+/+/up",
  "$queue/tally/v1/+/+/up",
  `tally/v1/${victim}/up`,
  `tally/v1/${victim}/down`,
  `tally/v1/${victim}/state`,
  `tally/v1/${victim}/#`,
];

/** Each publish ends the connection, retained or not; whoever is cut off comes again. */
export const publishing: Attack = async (parties, _options, attempt) => {
  let n = 1;
  for (const topic of foreign(nth(parties.honest, 0)))
    for (const retain of [false, true]) {
      attempt.tried++;
      const client = await captured(parties, n++);
      const closed = new Promise<boolean>((resolve) => client.once("close", () => resolve(true)));
      const heard = client.publishAsync(topic, MARK, { qos: 1, retain }).then(
        () => "heard" as const,
        () => true,
      );
      const end = await Promise.race([closed, heard, delay(ANSWER_MS, false)]);
      if (end !== true)
        attempt.breaches.push(`a publish to ${topic} was ${end === "heard" ? end : "let be"}`);
      client.end(true);
    }
};

/** None is granted, one by one or beside one that is; and nothing comes. */
export const subscribing: Attack = async (parties, { seconds }, attempt) => {
  const client = await captured(parties, 0);
  const own = `tally/v1/${nth(parties.captured, 0)}/down`;
  client.on("message", (topic) => {
    if (topic !== own && topic !== "tally/v1/checkpoint") attempt.breaches.push(`a message of ${topic} came`);
  });
  for (const filter of filters(nth(parties.honest, 0)))
    for (const beside of [[], [own]]) {
      attempt.tried++;
      const granted = await client
        .subscribeAsync([...beside, filter], { qos: 1 })
        .catch(() => [{ topic: filter, qos: 128 }]);
      if (granted.some((one) => one.topic === filter && one.qos < 128))
        attempt.breaches.push(`${filter} was granted`);
    }
  await delay(Math.min(seconds, 1) * 1000);
  client.end(true);
};

/** A will is a publish that somebody else makes: refused at CONNECT. */
export const wills: Attack = async (parties, _options, attempt) => {
  const topics = foreign(nth(parties.honest, 0));
  for (const [n, topic] of [...topics, `tally/v1/${nth(parties.captured, 40)}/up`].entries()) {
    attempt.tried++;
    const iss = nth(parties.captured, 40 + n);
    const will = { topic, payload: MARK, qos: 1, retain: true } as const;
    const signer = signerOf(parties, iss);
    const answer = await answerOf(
      parties,
      async (socket) => ({
        clientId: iss,
        username: iss,
        password: await tokenFor(socket, iss, signer),
        will,
      }),
      addressOf(n),
    );
    if (answer === 0) attempt.breaches.push(`a will for ${topic} was taken`);
  }
};
