/**
 * Who may read, and whether the anchor can say so: nothing is handed over that it can't.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { equalBytes, KeyState, parseStatement } from "@tallystick/evidence";
import { fail, nodeSha256, ok, readPublicKeyFile, warn, type Finding } from "@tallystick/evidence/node";
import { waitingIn } from "../erasure/orders.ts";
import { stateOf, TokenStore } from "../reads/tokens.ts";
import { Archive } from "../storage/archive.ts";
import { ownNameOf } from "../trail/own-device.ts";
import type { Patient } from "./patient.ts";

const ABOUT = "reads";

export async function readFindings(patient: Patient): Promise<readonly Finding[]> {
  const { places, config } = patient;
  // Whoever looks makes no folder, and moves nothing.
  const tokens = existsSync(places.tokens) ? new TokenStore(places.tokens).list() : [];
  const good = tokens.filter((one) => stateOf(one, Date.now() / 1000) === "good");
  const orders = existsSync(places.erasures) ? waitingIn(places.erasures).length : 0;
  const where = config.public === undefined ? "on loopback alone" : "over TLS";
  const may = ok(
    ABOUT,
    good.length === 0 ? "nobody has a token" : `${good.length} tokens may read, ${where}`,
  );
  const waiting = warn(
    ABOUT,
    `${orders} orders to erase wait`,
    "start the anchor, or see its log for why not",
  );
  const isUsed = good.length > 0 || orders > 0;
  return [may, ...(orders > 0 ? [waiting] : []), ...(isUsed ? deviceFindings(patient) : [])];
}

function deviceFindings({ record, config, places }: Patient): readonly Finding[] {
  if (record === undefined) return [];
  // Each was checked before it was stored.
  const state = new KeyState({ hash: nodeSha256, provider: { name: "unchecked", verify: () => true } });
  for (const { bytes, index } of new Archive(record.db).items(0, Number.MAX_SAFE_INTEGER))
    state.apply(parseStatement(bytes, nodeSha256), index);
  const iss = ownNameOf(config.trail, state);
  const current = state.current(iss);
  if (current === undefined || current.revoked !== null)
    return [
      fail(
        ABOUT,
        `${iss}, the anchor's own device, is not enrolled: every read is refused`,
        "tally-anchor trail",
      ),
    ];
  if (!existsSync(places.anchorKey) || !equalBytes(readPublicKeyFile(places.anchorKey).kid, current.kid))
    return [
      fail(
        ABOUT,
        `${places.anchorKey}: not the key that ${iss} is enrolled with: every read is refused`,
        "put that one back, or tally-anchor re-enrol",
      ),
    ];
  return [ok(ABOUT, `${iss} keeps the trail`)];
}
