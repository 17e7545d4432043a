/**
 * Attacks with operators' keys, and what witnesses and the trust policy make of evidence that is otherwise good.
 *
 * @module
 */
import {
  encodeBundle,
  formatVkey,
  nobleSigner,
  sha256,
  type Operator,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { operatorOf, signerOf, type WorldOperator } from "../world.ts";
import type { Device } from "../world-device.ts";
import { invalid, notVerifiable, restricted, verified } from "./demands.ts";
import {
  cosigned,
  handedOver,
  honest,
  policyOf,
  settled,
  WITNESS,
  type Attack,
  type Evidence,
  type Town,
} from "./town.ts";

const attacker = "operator";

/** A device of its own, enrolled by this operator, and a bundle of its one stream. */
async function enrolledBy(town: Town, iss: string, by: WorldOperator): Promise<Device> {
  const device = await town.world.enrol(iss, { by });
  const chain = device.chain("lane/1");
  await chain.open();
  await device.heads();
  await town.world.commit();
  return device;
}

const bundleOf = ({ world }: Town, { chains }: Device) => {
  const [chain, sys] = chains;
  if (chain === undefined || sys === undefined) throw new Error("a device with a stream and sys");
  return world.bundle([{ chain }], sys.statements.slice(1));
};

async function addOperator(
  { world }: Town,
  added: Operator,
  by: WorldOperator = world.operator,
): Promise<void> {
  const { iss, actsFor, key } = added;
  await world.register({ kind: "operator-added", operator: { iss, actsFor, key } }, by);
}

const OPERATORS: readonly Attack[] = [
  {
    name: "enrols a device of another org",
    attacker,
    make: async (town) => bundleOf(town, await enrolledBy(town, "roads/toll-7", town.water)),
    demands: invalid("operator-org"),
  },
  {
    name: "adds an operator for another org",
    attacker,
    make: async (town) => {
      const roads = operatorOf("roads/operator", "roads");
      await addOperator(town, roads, town.water);
      return bundleOf(town, await enrolledBy(town, "roads/toll-7", roads));
    },
    demands: invalid("operator-org"),
  },
  {
    name: "adds an operator for any org",
    attacker,
    make: async (town) => {
      const all = operatorOf("water/operator", "*", "a second key of water");
      await addOperator(town, all, town.water);
      return bundleOf(town, await enrolledBy(town, "water/gw-9", all));
    },
    demands: invalid("operator-org"),
  },
  {
    name: "enrols under a key that nobody added",
    attacker,
    make: async (town) =>
      bundleOf(town, await enrolledBy(town, "water/gw-9", operatorOf("water/operator", "water", "stolen?"))),
    demands: invalid("key-unknown"),
  },
  {
    name: "enrols after its own key was revoked",
    attacker,
    make: async (town) => {
      const { world, water } = town;
      await world.register({ kind: "revoke", kid: water.key.kid, from: world.entries.length });
      return bundleOf(town, await enrolledBy(town, "water/gw-9", water));
    },
    demands: invalid("key-revoked"),
  },
  {
    name: "enrols a second key for a device that has one",
    attacker,
    make: async (town) => {
      const { world, water, gateway } = town;
      const other = signerOf("second key").key;
      await world.register(
        { kind: "enrol", device: "water/gw-1", key: other, streams: ["*"], silenceS: 60 },
        water,
      );
      gateway.signer = signerOf("second key");
      await town.meter.readings();
      return settled(town);
    },
    demands: invalid("key-exists"),
  },
  {
    name: "rotates a device to a key that the device never named",
    attacker,
    make: async (town) => {
      const { world, water, gateway, meter } = town;
      const mine = nobleSigner(sha256(new Uint8Array(7)));
      const sys = await gateway.sys();
      const event = { kind: "key-rotated", key: mine.key, heads: [meter.head()] } as const;
      const forged = await sys.event(event, { admit: false });
      sys.statements.pop();
      const bytes = forged.bytes.slice();
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1; // as good as any signature that the operator could put there
      await world.register({ kind: "rotate", statement: bytes }, water);
      gateway.signer = mine;
      await meter.readings();
      return settled(town);
    },
    demands: invalid("signature-invalid"),
  },
  {
    name: "declares a key suspect from long ago",
    attacker,
    make: async (town) => {
      const { world, water, gateway, meter } = town;
      const from = world.indexOf(meter.statements[1] as Statement);
      await world.register({ kind: "revoke", kid: gateway.signer.key.kid, from }, water);
      await world.commit();
      return honest(town);
    },
    demands: restricted("declared-suspect-later"),
  },
  {
    name: "declares a key suspect from after what the bundle has",
    attacker,
    make: async (town) => {
      const { world, water, gateway } = town;
      await world.register(
        { kind: "revoke", kid: gateway.signer.key.kid, from: world.entries.length },
        water,
      );
      await world.commit();
      return honest(town);
    },
    demands: verified,
  },
  {
    name: "an org that the policy doesn't pin, while it pins another",
    attacker,
    make: async (town) => {
      const device = await enrolledBy(town, "roads/toll-7", town.world.operator);
      return bundleOf(town, device);
    },
    demands: notVerifiable("operator-unpinned"),
  },
  {
    name: "an org that the policy pins to another key",
    attacker,
    make: async (town) => usual(town, { operators: [operatorOf("water/operator", "water", "the true one")] }),
    demands: invalid("operator-foreign"),
  },
  {
    name: "pinned at the operator of all orgs above it",
    attacker: "nobody: things that happen",
    make: async (town) => usual(town, { operators: [town.world.operator] }),
    demands: verified,
  },
  {
    name: "no operator line",
    attacker: "nobody: things that happen",
    make: async (town) => usual(town, { operators: [] }),
    demands: restricted("operators-not-pinned"),
  },
];

const usual = async (town: Town, options: Parameters<typeof policyOf>[1]): Promise<Evidence> => ({
  bytes: await handedOver(town, honest(town)),
  policy: policyOf(town, options),
});

/** The honest bundle, its checkpoint cosigned by these, under this quorum. */
async function witnessed(
  town: Town,
  quorum: string,
  cosigners: readonly (readonly [name: string, signer: Signer])[],
  more: readonly string[] = [],
): Promise<Evidence> {
  const bundle = honest(town);
  const logs = [];
  for (const { vkey, checkpoint } of bundle.logs) {
    let note = checkpoint;
    for (const [name, signer] of cosigners) note = await cosigned(note, name, signer);
    logs.push({ vkey, checkpoint: note });
  }
  const policy = policyOf(town, { quorum }).replace("quorum ", [...more, "quorum "].join("\n"));
  return { bytes: encodeBundle({ ...bundle, logs }), policy };
}

const second = signerOf("witness 2");
const witness2 = `witness w2 ${formatVkey("witness.example/w2", second.key, 4)}`;
const either = [witness2, "group either any w1 w2"];
const both = [witness2, "group both all w1 w2"];

const WITNESSES: readonly Attack[] = [
  {
    name: "quorum none",
    attacker: "nobody: things that happen",
    make: (town) => witnessed(town, "none", []),
    demands: restricted("no-witness"),
  },
  {
    name: "quorum of one, unmet",
    attacker: "holder of the log's key",
    make: (town) => witnessed(town, "w1", []),
    demands: notVerifiable("quorum-unmet"),
  },
  {
    name: "quorum of one, met",
    attacker: "nobody: things that happen",
    make: (town) => witnessed(town, "w1", [[WITNESS, town.witness]]),
    demands: verified,
  },
  {
    name: "quorum of two, one cosigned",
    attacker: "holder of the log's key",
    make: (town) => witnessed(town, "both", [[WITNESS, town.witness]], both),
    demands: notVerifiable("quorum-unmet"),
  },
  {
    name: "quorum of two, one cosigned twice",
    attacker: "holder of the log's key",
    make: (town) =>
      witnessed(
        town,
        "both",
        [
          [WITNESS, town.witness],
          [WITNESS, town.witness],
        ],
        both,
      ),
    demands: notVerifiable("quorum-unmet"),
  },
  {
    name: "quorum of two, both cosigned",
    attacker: "nobody: things that happen",
    make: (town) =>
      witnessed(
        town,
        "both",
        [
          [WITNESS, town.witness],
          ["witness.example/w2", second],
        ],
        both,
      ),
    demands: verified,
  },
  {
    name: "any of two, the second cosigned",
    attacker: "nobody: things that happen",
    make: (town) => witnessed(town, "either", [["witness.example/w2", second]], either),
    demands: verified,
  },
  {
    name: "cosigned by a stranger",
    attacker: "holder of the log's key",
    make: (town) => witnessed(town, "w1", [["witness.example/w9", signerOf("stranger")]]),
    demands: notVerifiable("quorum-unmet"),
  },
  {
    name: "cosigned under the witness's name, with another key",
    attacker: "holder of the log's key",
    make: (town) => witnessed(town, "w1", [[WITNESS, signerOf("impostor")]]),
    demands: notVerifiable("quorum-unmet"),
  },
  {
    name: "a cosignature of another checkpoint",
    attacker: "holder of the log's key",
    make: async (town) => {
      const older = town.world.batches.at(-2)?.note ?? "";
      const line = (await cosigned(older, WITNESS, town.witness)).trimEnd().split("\n").at(-1) ?? "";
      const bundle = honest(town);
      const logs = bundle.logs.map((log) => ({ ...log, checkpoint: `${log.checkpoint}${line}\n` }));
      return encodeBundle({ ...bundle, logs });
    },
    demands: invalid("note-signature"),
  },
];

export const OPERATOR: readonly Attack[] = [...OPERATORS, ...WITNESSES];
