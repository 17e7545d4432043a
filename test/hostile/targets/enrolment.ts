/**
 * What enrols a device: invites, the request that is made with one, and the requests that go to an operator on another machine.
 *
 * @module
 */
import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  formatInvite,
  fromBase64Url,
  openEnrolRequest,
  parseInvite,
  sealEnrolRequest,
  sha256,
  toBase64Url,
  verifyCwt,
  type CborValue,
  type Invite,
} from "@tallystick/evidence";
import { decodeBatch, encodeBatch, type Batch } from "../../../anchor/src/enrolment/request.ts";
import type { Corpus } from "../corpus.ts";
import { editCbor } from "../mutate/cbor-edits.ts";
import { signAnew } from "../signing.ts";
import { must, refusal, type Seed, type Target } from "../target.ts";

const PREFIX = "tally-invite:";
const CBOR = "cbor-malformed cbor-duplicate-key cbor-order cbor-trailing".split(" ");
const SHAPES = "member-missing member-type member-range unknown-member".split(" ");
const fill = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);

export async function enrolmentTargets(corpus: Corpus): Promise<readonly Target[]> {
  return [inviteTarget(corpus), await requestTarget(corpus), batchTarget(corpus)];
}

/** The members, their check right each time: a wrong one would end every case at once. */
function inviteTarget({ world }: Corpus): Target {
  const invite: Invite = {
    device: "water/gw-1",
    anchor: { url: "https://anchor.example:8443", pin: `sha256:${"ab".repeat(32)}` },
    logs: [world.vkey],
    broker: { url: "mqtts://broker.example:8883", pin: `sha256:${"cd".repeat(32)}` },
    id: fill(16, 1),
    secret: fill(16, 2),
    expiresUnixS: 1_790_000_000,
    streams: ["meter/*", "host/self"],
    silenceS: 900,
  };
  const plain = { ...invite, broker: { url: "mqtt://127.0.0.1:1883" }, streams: [] };
  const seeds = [invite, plain].map((one, i): Seed => ({
    name: `invite ${i}`,
    bytes: fromBase64Url(formatInvite(one).slice(PREFIX.length)).subarray(0, -4),
    about: undefined,
  }));
  return {
    name: "invite",
    nature: "cbor",
    weight: 3,
    seeds,
    run: (bytes) =>
      refusal(() => {
        const line = `${PREFIX}${toBase64Url(concatBytes(bytes, sha256(bytes).subarray(0, 4)))}`;
        const read = parseInvite(line);
        const isLong = read.streams.join("").length > 256;
        must(isLong || formatInvite(read) === line, "an invite that is written otherwise");
        return "accepted";
      }),
    expected: ["invite-malformed", "accepted"],
  };
}

async function requestTarget({ town, keys, provider }: Corpus): Promise<Target> {
  const { signer } = town.gateway;
  const claims = {
    iss: "water/gw-1",
    aud: `sha256:${"ab".repeat(32)}`,
    exporter: fill(32, 1),
    invite: fill(16, 2),
    secret: fill(16, 3),
  };
  const made = [
    await sealEnrolRequest(claims, signer),
    await sealEnrolRequest({ ...claims, machine: fill(32, 4) }, signer),
  ];
  return {
    name: "enrol-request",
    nature: "cbor",
    weight: 4,
    seeds: made.map((bytes, i): Seed => ({ name: `request ${i}`, bytes, about: undefined })),
    resign: (bytes, other, random) => editCbor(bytes, other, random, (nodes) => signAnew(nodes, keys)),
    run: (bytes, _, anew) =>
      refusal(() => {
        const { key, cwt } = openEnrolRequest(bytes);
        verifyCwt(cwt, key, provider);
        must(anew || made.some((one) => equalBytes(one, bytes)), "a request that nobody signed");
        return anew ? "signed anew" : "accepted";
      }),
    expected: ["token-malformed", "signature-invalid", "key-mismatch", "accepted", "signed anew"],
  };
}

function batchTarget({ town, world }: Corpus): Target {
  const { key } = town.gateway.signer;
  const request = {
    invite: fill(16, 1),
    device: "water/gw-1",
    key,
    streams: ["meter/*"],
    silenceS: 900,
    machine: fill(32, 2),
    atUnixS: 1_790_000_000,
  };
  const batch: Batch = {
    count: 7,
    last: fill(32, 3),
    operators: [{ iss: "water/operator", actsFor: "water", kid: world.operator.key.kid }],
    requests: [request, { ...request, device: "water/gw-2", reason: "disk lost" }],
  };
  return {
    name: "requests",
    nature: "cbor",
    weight: 3,
    seeds: [{ name: "requests", bytes: encodeBatch(batch), about: undefined }],
    run: (bytes) =>
      refusal(() => {
        const again = encodeBatch(decodeBatch(bytes));
        must(equalBytes(again, bytes), "requests that are written otherwise");
        return "accepted";
      }),
    // what is within a request is a byte string of its own, and is changed as such
    resign: (bytes, other, random) => {
      const outer = decodeCbor(bytes, { maxBytes: bytes.length }) as ReadonlyMap<string, CborValue>;
      const [first, ...rest] = outer.get("requests") as readonly Uint8Array[];
      const changed = first && editCbor(first, other, random);
      if (changed === undefined) return undefined;
      return encodeCbor(new Map(outer).set("requests", [changed, ...rest]));
    },
    expected: [...CBOR, ...SHAPES, "name-malformed", "key-malformed", "accepted"],
  };
}
