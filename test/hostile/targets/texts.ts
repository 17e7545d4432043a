/**
 * What is text: signed notes and checkpoints, trust policies, verifier keys, the names of tiles and topics.
 *
 * @module
 */
import {
  checkStream,
  checkStreamPattern,
  COSIGNATURE_ED25519,
  encodeUtf8,
  formatNote,
  formatTilePath,
  formatVkey,
  isEvidenceError,
  NOTE_ED25519,
  openCheckpoint,
  parseIss,
  parseNote,
  parsePolicy,
  parseTilePath,
  parseTopic,
  parseVkey,
  quorumMet,
  stateTopic,
  toHex,
  verifyCosignatures,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Corpus } from "../corpus.ts";
import { policyOf, WITNESS } from "../../support/attacks/town.ts";
import { editText } from "../mutate/text.ts";
import { signNoteAnew } from "../signing.ts";
import { must, refusal, type Outcome, type Seed, type Target } from "../target.ts";

const seedsOf = (texts: readonly string[], name: string): Seed[] =>
  texts.map((text, i) => ({ name: `${name} ${i}`, bytes: encodeUtf8(text), about: undefined }));

export async function textTargets(corpus: Corpus): Promise<readonly Target[]> {
  return [await noteTarget(corpus), policyTarget(corpus), nameTarget(corpus)];
}

async function noteTarget({ world, town, vectors, provider, keys, honest }: Corpus): Promise<Target> {
  const { cosigned } = await import("../../support/attacks/town.ts");
  const vkey = parseVkey(world.vkey);
  const { witnesses } = parsePolicy(policyOf(town));
  const notes = [];
  for (const { note } of world.batches) notes.push(note, await cosigned(note, WITNESS, town.witness));
  const claims = new Set(world.batches.map(({ size, root }) => `${size} ${toHex(root)}`));
  const kid = toHex(world.log.key.kid);
  void honest;
  return {
    name: "note",
    nature: "text",
    weight: 10,
    seeds: seedsOf([...notes, ...vectors.notes], "note"),
    resign: (bytes, other, random) => {
      try {
        const { text } = parseNote(bytes);
        const changed = Buffer.from(editText(encodeUtf8(text), other, random)).toString();
        return encodeUtf8(signNoteAnew(changed, keys, kid, vkey));
      } catch (error) {
        if (isEvidenceError(error)) return undefined;
        throw error;
      }
    },
    run: (bytes, _, anew) =>
      refusal(() => {
        const note = parseNote(bytes);
        must(formatNote(note) === Buffer.from(bytes).toString(), "a note that is written otherwise");
        const { size, root } = openCheckpoint(bytes, vkey, provider);
        must(anew || claims.has(`${size} ${toHex(root)}`), "a checkpoint that was never signed");
        const seen = verifyCosignatures(note, witnesses, provider);
        // Unsigned by design: lines of keys that nobody asked for, how often a good line stands there, and the order of the lines.
        for (const { timeUnixS } of seen.values())
          must(timeUnixS === 1_790_100_000, "a cosignature of another time");
        return anew ? "signed anew" : `the signed tree, ${seen.size} witnesses`;
      }),
    expected: [
      ..."note-malformed note-signature checkpoint-malformed checkpoint-origin too-large".split(" "),
      "the signed tree, 0 witnesses",
      "the signed tree, 1 witnesses",
      "signed anew",
    ],
  };
}

/** The one code of a policy says little: what its first fault is about says how far the reader came. */
const faultOf = (message: string): string =>
  message
    .slice(0, message.indexOf("\n") === -1 ? undefined : message.indexOf("\n"))
    .replace(/^line \d+: /, "")
    .replaceAll(/`[^`]*`|line \d+|[\d.]+/g, "…")
    .slice(0, 44);

function policyTarget({ vectors, town }: Corpus): Target {
  const { world } = town;
  const groups = ["witness w2 W2", "group g any w1", "group all all g w2", "quorum all"];
  const second = formatVkey("witness.example/w2", world.operator.key, 4);
  const large = policyOf(town).replace(/^quorum .*$/m, groups.join("\n").replace("W2", second));
  return {
    name: "policy",
    nature: "text",
    weight: 8,
    seeds: seedsOf([policyOf(town), large, ...vectors.policies], "policy"),
    run: (bytes) => {
      try {
        const policy = parsePolicy(Buffer.from(bytes).toString());
        checkPolicy(policy);
        return "accepted";
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
        must(error.code === "policy-malformed", `a policy refused with ${error.code}`);
        return `policy-malformed: ${faultOf(error.message)}`;
      }
    },
    expected: ["accepted"],
  };
}

function checkPolicy(policy: TrustPolicy): void {
  const { logs, witnesses, groups, quorum, operators } = policy;
  must(
    logs.every(({ vkey }) => vkey.type === NOTE_ED25519),
    "a log with a witness's key",
  );
  must(
    [...witnesses.values()].every(({ vkey }) => vkey.type === COSIGNATURE_ED25519),
    "a witness with a log's key",
  );
  must(
    operators.every(({ vkey }) => parseIss(vkey.name).device === "operator"),
    "an operator that is none",
  );
  must(quorum === null || witnesses.has(quorum) || groups.has(quorum), "a quorum of nobody");
  must(quorumMet(policy, []) === (quorum === null), "a quorum that nobody meets");
  must(quorumMet(policy, witnesses.keys()), "a quorum that all together don't meet");
}

const NAMES = [
  "tile/0/000",
  "tile/1/x001/234.p/8",
  "tile/entries/x123/x456/789",
  "registry/000.p/1",
  "tally/v1/water/gw-1/up",
  "tally/v1/water/gw-1/down",
  "tally/v1/checkpoint",
  "water/gw-1",
  "water/operator",
  "meter/m-1",
  "toll/plaza-12/lane-3/*",
];

/** Names are canonical: what is read is written the same. */
function nameTarget({ vectors, world }: Corpus): Target {
  const readers: readonly (readonly [string, (text: string) => void])[] = [
    ["vkey", (text) => void parseVkey(text)],
    [
      "tile",
      (text) => must(formatTilePath(parseTilePath(text)) === text, "a path that is written otherwise"),
    ],
    [
      "iss",
      (text) =>
        must(
          stateTopic(text) === `tally/v1/${text}/state` &&
            `${parseIss(text).org}/${parseIss(text).device}` === text,
          "a name",
        ),
    ],
    ["stream", (text) => checkStream(text)],
    ["pattern", (text) => checkStreamPattern(text)],
  ];
  return {
    name: "name",
    nature: "text",
    weight: 4,
    seeds: seedsOf([...NAMES, world.vkey, ...vectors.vkeys], "name"),
    run: (bytes, _, __, random) => {
      const text = Buffer.from(bytes).toString();
      const topic = parseTopic(text);
      if (topic !== undefined && topic.kind !== "checkpoint")
        must(`tally/v1/${topic.iss}/${topic.kind}` === text, "a topic that is written otherwise");
      const [name, read] = random.pick(readers);
      const outcome: Outcome = refusal(() => {
        read(text);
        return "accepted";
      });
      return `${name}: ${outcome}`;
    },
    expected: [
      "vkey: vkey-malformed",
      "vkey: accepted",
      "tile: tile-coordinates",
      "tile: accepted",
      "iss: name-malformed",
      "iss: accepted",
      "stream: name-malformed",
      "stream: accepted",
      "pattern: name-malformed",
      "pattern: accepted",
    ],
  };
}
