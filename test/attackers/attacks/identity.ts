/**
 * Being somebody else: passwords that are forged, replayed or of a revoked key, other people's client ids, older TLS.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type { IClientOptions } from "mqtt";
import { nobleSigner, sealCwt, type ConnectClaims, type Signer } from "@tallystick/evidence";
import { dial, tokenFor } from "../../support/token-client.ts";
import { addressOf, answerOf, nth, signerOf, type Attack, type Parties } from "../attack.ts";

const stranger = nobleSigner(new Uint8Array(randomBytes(32)));

/** A CONNECT in the name of `iss` with a token of `signer`, which says what it is told to. */
const withToken =
  (iss: string, signer: Signer, says: Partial<ConnectClaims> = {}, username = iss) =>
  async (socket: Awaited<ReturnType<typeof dial>>): Promise<IClientOptions> => ({
    clientId: iss,
    username,
    password: await tokenFor(socket, iss, signer, says),
  });

/** Notes whoever is let in. */
const expectRefused = async (
  what: string,
  parties: Parties,
  options: Parameters<typeof answerOf>[1],
  breaches: string[],
): Promise<void> => {
  if ((await answerOf(parties, options)) === 0) breaches.push(what);
};

export const passwords: Attack = async (parties, _options, attempt) => {
  const { honest, captured, revoked, target } = parties;
  const victim = nth(honest, 0);
  const own = nth(captured, 0);
  const mine = signerOf(parties, own);
  const theirs = signerOf(parties, victim); // as whoever records a token has what it signed, and nothing else
  const other = await dial(target.mqtts, { localAddress: addressOf(1) });
  const recorded = await tokenFor(other, victim, theirs);
  const flipped = Buffer.from(recorded);
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  const as = (password: Uint8Array | string): IClientOptions => ({
    clientId: victim,
    username: victim,
    password: Buffer.from(password),
  });
  const cases: readonly [string, Parameters<typeof answerOf>[1]][] = [
    ["no password", { clientId: victim }],
    ["an empty password", as("")],
    ["a guessed password", as("password")],
    ["random bytes", as(randomBytes(300))],
    ["the token of another connection", as(recorded)],
    ["that token, one bit changed", as(flipped)],
    ["a token by a key of nobody", withToken(victim, stranger)],
    ["a token by a captured device's key", withToken(victim, mine)],
    ["a captured device's token under another user name", withToken(own, mine, {}, victim)],
    ["a token for another broker", withToken(victim, theirs, { aud: `sha256:${"ab".repeat(32)}` })],
    ["a token with an exporter of zeros", withToken(victim, theirs, { exporter: new Uint8Array(32) })],
    ["a token that names another device", withToken(victim, mine, { iss: own })],
    [
      "a token of another use",
      as(await sealCwt("application/vnd.tallystick.enrol+cwt", new Map([[1, victim]]), mine)),
    ],
    ...revoked.map((iss): [string, Parameters<typeof answerOf>[1]] => [
      "a revoked key, over this very connection",
      withToken(iss, signerOf(parties, iss)),
    ]),
    ["the service's name without its secret", { clientId: "anchor", username: "anchor", password: "secret" }],
    ["a device's token as the service's secret", { ...as(recorded), clientId: "anchor" }],
    ["a device that was never enrolled", withToken("city/nobody", stranger)],
  ];
  for (const [what, options] of cases) {
    attempt.tried++;
    await expectRefused(what, parties, options, attempt.breaches);
  }
  other.destroy();
};

/** Whoever has the id, and not the key, takes no connection over: those who live there say whether they were cut off. */
export const takeover: Attack = async (parties, { times }, attempt) => {
  const mine = signerOf(parties, nth(parties.captured, 0));
  for (let n = 0; n < 3 * times; n++)
    for (const clientId of [...parties.honest, "anchor", "watch"]) {
      attempt.tried++;
      const claimed =
        n % 2 === 0 ? { clientId } : withToken(clientId.includes("/") ? clientId : "city/x", mine);
      if ((await answerOf(parties, claimed, addressOf(n))) === 0)
        attempt.breaches.push(`took over ${clientId}`);
    }
};

export const oldTls: Attack = async ({ target }, _options, attempt) => {
  for (const url of [target.mqtts, target.wss])
    for (const version of ["TLSv1", "TLSv1.1", "TLSv1.2"] as const) {
      attempt.tried++;
      const options = { minVersion: version, maxVersion: version, ciphers: "ALL:@SECLEVEL=0" } as const;
      const spoken = await dial(url, { ...options, localAddress: addressOf(2) }).then(
        (socket) => (socket.destroy(), true),
        () => false,
      );
      if (spoken) attempt.breaches.push(`${version} was spoken`);
    }
};
