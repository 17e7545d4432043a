/**
 * Attacks with a device's key, some with the help of a log that admits what an honest one refuses; and what happens to devices without
 * any attacker: losses, gaps, rotations.
 *
 * @module
 */
import { decimal, type Statement } from "@tallystick/evidence";
import { invalid, restricted, verified } from "./demands.ts";
import { committed, headsOf, honest, lastHeads, settled, type Attack, type Town } from "./town.ts";
import { signerOf } from "../world.ts";

const thief = "thief of a device's key";
const colluding = "thief of a device's key, and a log that admits anything";
const nobody = "nobody: things that happen";

const at = ({ meter }: Town, seq: number): Statement => meter.statements[seq] as Statement;

/** The head of the meter's chain at `seq`, as an opening names it. */
const headAt = (town: Town, seq: number) => ({ ch: town.meter.ch, seq, hash: at(town, seq).hash });

export const DEVICE: readonly Attack[] = [
  {
    name: "fork: a second statement for a number that was spent",
    attacker: colluding,
    make: async (town) => {
      const { world, gateway, meter } = town;
      const rival = await meter.readings(1, { claims: { seq: 3, prev: at(town, 2).hash } });
      meter.statements.pop();
      await gateway.heads();
      await world.commit();
      return world.bundle([{ chain: meter }], [lastHeads(town), rival]);
    },
    demands: invalid("fork"),
  },
  {
    name: "a receipt for each of two statements of one number, the first left out",
    attacker: colluding,
    make: async (town) => {
      const { world, meter } = town;
      const rival = await meter.readings(1, { claims: { seq: 3, prev: at(town, 2).hash } });
      meter.statements.splice(3, 3, rival, at(town, 4));
      await world.commit();
      return honest(town);
    },
    demands: invalid("fork"), // number 4 names the first as its predecessor
  },
  {
    name: "a statement that names another predecessor",
    attacker: colluding,
    make: async (town) => {
      await town.meter.readings(1, { claims: { prev: at(town, 1).hash } });
      return settled(town);
    },
    demands: invalid("fork"),
  },
  {
    name: "a last statement that the device's own heads contradict",
    attacker: colluding,
    make: async (town) => {
      const rival = await town.meter.readings(9, { claims: { seq: 4, prev: at(town, 3).hash } });
      town.meter.statements.splice(4, 2, rival);
      return committed(town);
    },
    demands: invalid("fork"),
  },
  {
    name: "chain restarted as new",
    attacker: colluding,
    make: async (town) => {
      const anew = town.gateway.chain("meter/m-1");
      await anew.open();
      await anew.readings();
      return settled(town, town.meter, anew);
    },
    demands: invalid("fork"),
  },
  {
    name: "parallel chain: opened behind a head, while the first one goes on",
    attacker: colluding,
    make: async (town) => {
      const second = town.gateway.chain("meter/m-1");
      await second.open({ before: headAt(town, 2) });
      await second.readings();
      return settled(town, town.meter, second);
    },
    demands: invalid("fork"),
  },
  {
    name: "two chains behind one head",
    attacker: colluding,
    make: async (town) => {
      const second = town.gateway.chain("meter/m-1");
      await second.open({ before: headAt(town, 4) });
      const third = town.gateway.chain("meter/m-1");
      await third.open({ before: headAt(town, 4) });
      return settled(town, town.meter, second, third);
    },
    demands: invalid("fork"),
  },
  {
    name: "a new chain behind the true head of the one before",
    attacker: nobody,
    make: async (town) => {
      const second = town.gateway.chain("meter/m-1");
      await second.open({ before: headAt(town, 4) });
      await second.readings();
      return settled(town, town.meter, second);
    },
    demands: verified,
  },
  {
    name: "an opening that names a head which never was",
    attacker: colluding,
    make: async (town) => {
      const second = town.gateway.chain("meter/m-1");
      await second.open({ before: { ...headAt(town, 4), hash: new Uint8Array(32) } });
      return settled(town, town.meter, second);
    },
    demands: invalid("fork"),
  },
  {
    name: "a chain that begins with something else than its opening",
    attacker: colluding,
    make: async (town) => {
      const bare = town.gateway.chain("meter/m-2");
      await bare.readings();
      return settled(town, bare);
    },
    demands: invalid("fork"),
  },
  {
    name: "writes as another device",
    attacker: colluding,
    make: async (town) => {
      const victim = await town.world.enrol("water/gw-2", { by: town.water });
      const chain = victim.chain("meter/m-9");
      await chain.open({}, { signer: town.gateway.signer });
      await town.world.commit();
      return town.world.bundle([{ chain }]);
    },
    demands: invalid("key-issuer"),
  },
  {
    name: "writes a stream that its enrolment doesn't have",
    attacker: colluding,
    make: async (town) => {
      const lane = town.gateway.chain("toll/plaza-12/lane-3");
      await lane.open();
      return settled(town, lane);
    },
    demands: invalid("key-stream"),
  },
  {
    name: "signs with a key that nobody enrolled",
    attacker: colluding,
    make: async (town) => {
      const bundle = honest(town);
      const stray = await town.meter.readings(1, { signer: signerOf("nobody's key") });
      await town.world.commit();
      town.meter.statements.pop();
      return {
        ...honest(town),
        statements: [...honest(town).statements, carried(town, stray)],
        scope: bundle.scope,
      };
    },
    demands: { verdict: "not-verifiable", code: "key-unknown" },
  },
  {
    name: "a statement under the device's kid that another key signed",
    attacker: colluding,
    make: async (town) => {
      const { meter, gateway } = town;
      const mine = signerOf("mine");
      await meter.readings(1, { signer: { ...mine, key: gateway.signer.key } });
      return settled(town);
    },
    demands: { ...invalid("signature-invalid"), check: "signatures" },
  },
  {
    name: "goes on with a revoked key",
    attacker: colluding,
    make: async (town) => {
      const { world, gateway, water, meter } = town;
      await world.register(
        { kind: "revoke", kid: gateway.signer.key.kid, from: world.entries.length },
        water,
      );
      await meter.readings();
      return settled(town);
    },
    demands: invalid("key-revoked"),
  },
  {
    name: "a statement older in the log than the enrolment of its key",
    attacker: colluding,
    make: async (town) => {
      const { world, water, gateway } = town;
      const early = gateway.chain("meter/m-3");
      const signer = signerOf("early");
      const opening = await early.open({}, { signer, claims: { iss: "water/gw-3" } });
      await world.register(
        { kind: "enrol", device: "water/gw-3", key: signer.key, streams: ["*"], silenceS: 900 },
        water,
      );
      await world.commit();
      return { ...world.bundle([{ chain: early }]), scope: [scopeOf(opening)] };
    },
    demands: invalid("key-not-enrolled"),
  },
  {
    name: "rotated: the old key goes on beyond the heads that it named",
    attacker: colluding,
    make: async (town) => {
      const { gateway, meter } = town;
      const old = gateway.signer;
      await gateway.rotate(undefined, town.water);
      await meter.readings(1, { signer: old });
      return settled(town);
    },
    demands: invalid("key-superseded"),
  },
  {
    name: "rotated: the old key opens another stream afterwards",
    attacker: colluding,
    make: async (town) => {
      const old = town.gateway.signer;
      await town.gateway.rotate(undefined, town.water);
      const other = town.gateway.chain("meter/m-7");
      await other.open({}, { signer: old });
      return settled(town, other);
    },
    demands: invalid("key-superseded"),
  },
  {
    name: "rotated: what the old key signed before arrives afterwards, within the heads",
    attacker: nobody,
    make: async (town) => {
      const { world, gateway, meter } = town;
      const late = await meter.readings(2, { admit: false });
      await gateway.rotate(undefined, town.water);
      world.admit(late);
      await meter.readings();
      return settled(town);
    },
    demands: verified,
  },
  {
    name: "rotated: old heads on sys and a chain that had ended before still stand",
    attacker: nobody,
    make: async (town) => {
      const { gateway } = town;
      const ended = gateway.chains.findIndex(({ sub }) => sub === "meter/m-1");
      const [meter] = gateway.chains.splice(ended, 1);
      const next = gateway.chain("meter/m-1");
      await next.open({ before: headAt(town, 4) });
      await gateway.rotate(undefined, town.water);
      await next.readings();
      await gateway.heads();
      await town.world.commit();
      return town.world.bundle([{ chain: meter as typeof next }, { chain: next }], headsOf(town));
    },
    demands: verified,
  },
  {
    name: "rotated: the statement that says so stands, signed by the old key",
    attacker: nobody,
    make: async (town) => {
      const { rotated } = await town.gateway.rotate(undefined, town.water);
      await town.meter.readings();
      await town.gateway.heads();
      await town.world.commit();
      return town.world.bundle([{ chain: town.meter }], [rotated, lastHeads(town)]);
    },
    demands: verified,
  },
  {
    name: "re-enrolled: the old key goes on",
    attacker: colluding,
    make: async (town) => {
      const { world, water, meter } = town;
      await world.register(reEnrolment("water/gw-1", "gw-1 again"), water);
      await meter.readings();
      return settled(town);
    },
    demands: invalid("key-superseded"),
  },
  {
    name: "a chain that lost its predecessor, under the same key",
    attacker: nobody,
    make: async (town) => {
      const second = town.gateway.chain("meter/m-1");
      await second.open({ before: { lost: "disk replaced" } });
      return settled(town, second);
    },
    demands: restricted("discontinuity"),
  },
  {
    name: "a chain that lost its predecessor, after the operator's re-enrolment",
    attacker: nobody,
    make: async (town) => {
      const { world, water, gateway } = town;
      await world.register(reEnrolment("water/gw-1", "gw-1 again"), water);
      gateway.signer = signerOf("gw-1 again");
      gateway.chains.splice(0);
      const sys = gateway.chain("sys");
      await sys.open({ before: { lost: "gateway replaced" }, source: "sys" });
      const second = gateway.chain("meter/m-1");
      await second.open({ before: { lost: "gateway replaced" } });
      return settled(town, second);
    },
    demands: verified,
  },
  {
    name: "a gap that the device signed",
    attacker: nobody,
    make: async (town) => {
      const time = { from: decimal(1_790_000_100), to: decimal(1_790_000_400) };
      await town.meter.event({ kind: "gap", reason: "outbox full", count: 30, time });
      return settled(town);
    },
    demands: restricted("gap"),
  },
  {
    name: "a signed gap of statements, and the numbers that it names",
    attacker: nobody,
    make: async (town) => {
      const { world, gateway, meter } = town;
      await meter.readings(1, { admit: false });
      await meter.event({ kind: "gap", reason: "outbox full", count: 1, seq: { first: 5, last: 5 } });
      await gateway.heads();
      await world.commit();
      meter.statements.splice(5, 1);
      return world.bundle([{ chain: meter, to: 6 }], [lastHeads(town)]);
    },
    demands: restricted("gap", "hole"),
  },
  {
    name: "a record of a back office that rests on the statement before it",
    attacker: nobody,
    make: async (town) => {
      const { hash } = town.meter.head();
      await town.meter.event({ kind: "ref", id: "R-17", type: "refund", t: moment.from, refs: [hash] });
      return settled(town);
    },
    demands: verified,
  },
  {
    name: "says that it saw a tree larger than any",
    attacker: thief,
    make: async (town) => {
      await town.meter.readings(1, { claims: { seen: { size: 1_000_000, root: new Uint8Array(32) } } });
      return settled(town);
    },
    demands: { verdict: "verified", notDone: "seen" },
  },
  {
    name: "says that it saw a tree which never was, of a size that the log had",
    attacker: thief,
    make: async (town) => {
      await town.meter.readings(1, { claims: { seen: { size: 5, root: new Uint8Array(32) } } });
      return settled(town);
    },
    demands: invalid("log-fork"),
  },
  {
    name: "says that it saw another tree than a receipt here signs, with no proof at all",
    attacker: thief,
    make: async (town) => {
      const size = town.world.batches[1]?.size ?? 0;
      await town.meter.readings(1, { claims: { seen: { size, root: new Uint8Array(32) } } });
      return { ...(await settled(town)), consistency: [] };
    },
    demands: invalid("log-fork"),
  },
  {
    name: "names another log for a tree which never was",
    attacker: thief,
    make: async (town) => {
      const seen = { size: 5, root: new Uint8Array(32), origin: "log.other.example/2020" };
      await town.meter.readings(1, { claims: { seen } });
      return settled(town);
    },
    demands: { verdict: "verified", notDone: "seen" },
  },
  {
    name: "names the log itself for a tree which never was",
    attacker: thief,
    make: async (town) => {
      const seen = { size: 5, root: new Uint8Array(32), origin: town.world.origin };
      await town.meter.readings(1, { claims: { seen } });
      return settled(town);
    },
    demands: invalid("log-fork"),
  },
  {
    name: "boasts: an event whose text carries control characters",
    attacker: thief,
    make: async (town) => {
      await town.meter.event({ kind: "gap", reason: "\u001b[2Jall is well\n", count: 0, time: moment });
      return settled(town);
    },
    demands: restricted("gap"),
  },
];

const moment = { from: decimal(1_790_000_100), to: decimal(1_790_000_100) };

const reEnrolment = (device: string, key: string) =>
  ({
    kind: "re-enrol",
    device,
    key: signerOf(key).key,
    streams: ["meter/*"],
    silenceS: 900,
    reason: "gateway replaced",
  }) as const;

const carried = ({ world }: Town, statement: Statement): Uint8Array =>
  world.transparent(statement, world.firstOf(statement), world.newest);

function scopeOf({ claims: { iss, sub, ch = new Uint8Array(8), seq } }: Statement) {
  return { iss, sub, ch, from: seq, to: seq };
}
