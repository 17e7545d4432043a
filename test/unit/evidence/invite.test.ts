/** Invites: one line for each, whole or not at all; and the request that is made with one. */
import { expect, test } from "vitest";
import {
  CLAIM,
  coseKey,
  decodeCbor,
  encodeCbor,
  formatInvite,
  formatVkey,
  fromBase64Url,
  nobleProvider,
  nobleSigner,
  openEnrolRequest,
  parseInvite,
  sealCwt,
  sealEnrolRequest,
  sha256,
  toBase64Url,
  verifyCwt,
  type CborKey,
  type CborValue,
  type Invite,
} from "@tallystick/evidence";

const PIN = `sha256:${"ab".repeat(32)}`;
const key = nobleSigner(new Uint8Array(32).fill(1)).key;
const INVITE: Invite = {
  device: "city-energy/gw-17",
  anchor: { url: "https://anchor.city.example:8443", pin: PIN },
  logs: [formatVkey("city.example/2026", key)],
  broker: { url: "mqtts://broker.city.example:8883", pin: `sha256:${"cd".repeat(32)}` },
  id: new Uint8Array(16).fill(2),
  secret: new Uint8Array(16).fill(3),
  expiresUnixS: 1_790_000_000,
  streams: ["meter/*", "host/self"],
  silenceS: 900,
};
const malformed = expect.objectContaining({ code: "invite-malformed" }) as unknown;

/** A line of these members, its check right. */
function lineOf(members: ReadonlyMap<CborKey, CborValue>): string {
  const payload = encodeCbor(members);
  return `tally-invite:${toBase64Url(new Uint8Array([...payload, ...sha256(payload).subarray(0, 4)]))}`;
}

function membersOf(invite: Invite): Map<CborKey, CborValue> {
  const bytes = fromBase64Url(formatInvite(invite).slice("tally-invite:".length));
  return new Map(decodeCbor(bytes.subarray(0, -4), { maxBytes: 4096 }) as Map<CborKey, CborValue>);
}

test("a line says what was written, in less than 400 characters", () => {
  const line = formatInvite(INVITE);
  expect(parseInvite(line)).toEqual(INVITE);
  expect(line).toMatch(/^tally-invite:[A-Za-z0-9_-]+$/);
  expect(line.length).toBeLessThan(400);
});

test("a broker on loopback has no pin", () => {
  const plain = { ...INVITE, broker: { url: "mqtt://127.0.0.1:1883" } };
  expect(parseInvite(formatInvite(plain))).toEqual(plain);
});

test("streams that would make it too long are left out", () => {
  const many = Array.from({ length: 17 }, (_, i) => `meter/m-${i}`);
  expect(parseInvite(formatInvite({ ...INVITE, streams: many })).streams).toEqual([]);
  expect(
    parseInvite(formatInvite({ ...INVITE, streams: ["a".repeat(128), "b".repeat(128), "c"] })).streams,
  ).toEqual([]);
});

test("line breaks of a mail program and blanks around it do no harm", () => {
  const line = formatInvite(INVITE);
  expect(parseInvite(`\n  ${line.slice(0, 72)}\r\n${line.slice(72)}\n`)).toEqual(INVITE);
});

test("cut anywhere, it is no invite", () => {
  const line = formatInvite(INVITE);
  for (let length = 0; length < line.length; length++)
    expect(() => parseInvite(line.slice(0, length))).toThrow(/begins with tally-invite:|not whole/);
});

test("with any one letter altered, it is no invite", () => {
  const line = formatInvite(INVITE);
  for (let at = 0; at < line.length; at++) {
    const other = line[at] === "A" ? "B" : "A";
    expect(() => parseInvite(line.slice(0, at) + other + line.slice(at + 1))).toThrow(malformed);
  }
});

test.for<[string, number, CborValue]>([
  ["another version", 0, 2],
  ["no device", 1, "city"],
  ["an operator", 1, "city/operator"],
  ["an anchor without TLS", 2, ["http://anchor.example", new Uint8Array(32)]],
  ["an anchor with credentials", 2, ["https://user:word@anchor.example", new Uint8Array(32)]],
  ["an anchor without a pin", 2, ["https://anchor.example"]],
  ["a pin that is none", 2, ["https://anchor.example", new Uint8Array(31)]],
  ["no log", 3, []],
  ["too many logs", 3, Array.from({ length: 5 }, () => ["a", new Uint8Array(32)])],
  ["a log without a name", 3, [["", new Uint8Array(32)]]],
  ["a broker of another kind", 4, ["https://broker.example"]],
  ["a broker that is no address", 4, ["mqtts://bro ker"]],
  ["another id", 5, new Uint8Array(15)],
  ["a short secret", 6, new Uint8Array(8)],
  ["a time that is none", 7, -1],
  ["a stream that is none", 8, ["Meter"]],
  ["no list of streams", 8, "*"],
  ["another silence", 9, "15m"],
  ["a member that nobody knows", 10, 1],
])("%s is no invite, though its check is right", ([, member, value]) => {
  expect(() => parseInvite(lineOf(membersOf(INVITE).set(member, value)))).toThrow(malformed);
});

test("each member has to be there", () => {
  for (let member = 0; member < 10; member++) {
    const members = membersOf(INVITE);
    members.delete(member);
    expect(() => parseInvite(lineOf(members))).toThrow(malformed);
  }
});

test("what is written can be read", () => {
  const wrong: readonly Partial<Invite>[] = [
    { device: "city/operator" },
    { anchor: { url: "https://anchor.example", pin: "sha256:00" } },
    { logs: [] },
    { broker: { url: "http://broker.example" } },
    { secret: new Uint8Array(15) },
  ];
  for (const one of wrong) expect(() => formatInvite({ ...INVITE, ...one })).toThrow(malformed);
});

test("what is far too long is refused before it is read", () => {
  expect(() => parseInvite(`tally-invite:${"A".repeat(10_000_000)}`)).toThrow(malformed);
});

const signer = nobleSigner(new Uint8Array(32).fill(9));
const CLAIMS = {
  iss: "city/gw-1",
  aud: PIN,
  exporter: new Uint8Array(32).fill(4),
  invite: INVITE.id,
  secret: INVITE.secret,
};

test("a request names its key, and is signed by it", async () => {
  const machine = new Uint8Array(32).fill(5);
  const {
    cwt,
    key: named,
    ...claims
  } = openEnrolRequest(await sealEnrolRequest({ ...CLAIMS, machine }, signer));
  expect(claims).toEqual({ ...CLAIMS, machine });
  expect(named).toEqual(signer.key);
  expect(() => verifyCwt(cwt, named, nobleProvider)).not.toThrow();
  expect(openEnrolRequest(await sealEnrolRequest(CLAIMS, signer)).machine).toBeUndefined();
});

test.for<[string, CborKey, CborValue | undefined]>([
  ["without a device", CLAIM.iss, undefined],
  ["of an operator", CLAIM.iss, "city/operator"],
  ["for no pin", CLAIM.aud, "anchor"],
  ["without the exporter", CLAIM.nonce, undefined],
  ["with a short exporter", CLAIM.nonce, new Uint8Array(16)],
  ["with a key by name only", CLAIM.cnf, new Map([[3, new Uint8Array(32)]])],
  [
    "with more than a key",
    CLAIM.cnf,
    new Map<CborKey, CborValue>([
      [1, coseKey(signer.key)],
      [3, "k"],
    ]),
  ],
  ["without the invite", CLAIM.cti, undefined],
  ["without a secret", "secret", undefined],
  ["with half a machine", "machine", new Uint8Array(16)],
  ["with something else", "admin", true],
])("a request %s is none", async ([, member, value]) => {
  const claims = new Map<CborKey, CborValue>([
    [CLAIM.iss, CLAIMS.iss],
    [CLAIM.aud, CLAIMS.aud],
    [CLAIM.cti, CLAIMS.invite],
    [CLAIM.cnf, new Map([[1, coseKey(signer.key)]])],
    [CLAIM.nonce, CLAIMS.exporter],
    ["secret", CLAIMS.secret],
  ]);
  if (value === undefined) claims.delete(member);
  else claims.set(member, value);
  const bytes = await sealCwt("application/vnd.tallystick.enrol+cwt", claims, signer);
  expect(() => openEnrolRequest(bytes)).toThrow(expect.objectContaining({ code: "token-malformed" }));
});

test("a token for a connection is no request", async () => {
  const bytes = await sealCwt("application/vnd.tallystick.connect+cwt", new Map(), signer);
  expect(() => openEnrolRequest(bytes)).toThrow(expect.objectContaining({ code: "token-malformed" }));
});
