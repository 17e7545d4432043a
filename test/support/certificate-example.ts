/**
 * The completeness certificate among the examples of `docs/formats.md`.
 *
 * @module
 */
import { encodeUtf8, sha256 } from "@tallystick/evidence";
import type { Certificate } from "../../audit/src/certificate/content.ts";
import { sealCertificate } from "../../audit/src/certificate/seal.ts";
import { noneOf } from "../../audit/src/coverage/numbers.ts";
import { signerOf, type Batch, type World } from "./world.ts";
import type { Chain } from "./world-device.ts";

/** Signed by an auditor, without a date. */
export const certificateExample = (meter: Chain, batch: Batch, world: World): Promise<Uint8Array> =>
  sealCertificate(
    certificateOf(meter, batch, world),
    { name: "audit.example/anna", atUnixS: null },
    signerOf("audit.example/anna"),
  );

/** What an auditor certifies of these readings: four minutes, up to what the heads say. */
function certificateOf(meter: Chain, { origin, size, root }: Batch, world: World): Certificate {
  const [from, to] = [Date.UTC(2026, 8, 21, 14, 15) / 1000, Date.UTC(2026, 8, 21, 14, 19) / 1000];
  const tally = { expected: 3, received: 3, missing: noneOf(), late: 0, repeats: 0, conflicts: 0 };
  return {
    tool: { name: "tally-audit", version: "0.1.0" },
    log: { origin, size, root },
    evidence: { kind: "case", hash: sha256(encodeUtf8("the SHA256SUMS of a case")) },
    policy: sha256(encodeUtf8(world.policy())),
    verdict: "restricted",
    restrictions: ["no-witness"],
    zone: "Europe/Vienna",
    from,
    to,
    lateAfterS: 86_400,
    findings: 0,
    streams: [
      {
        iss: "energy/gw-1",
        sub: "meter/m-1",
        state: "complete",
        interval: "60",
        begins: { by: "chain", at: "2026-09-21T16:15:20+02:00" },
        ends: { by: "heads", at: "2026-09-21T16:19:20+02:00" },
        chains: [
          {
            ch: meter.ch,
            seqs: { from: 0, to: 1 },
            held: 2,
            missing: noneOf(),
            attested: { seq: 1, at: "2026-09-21T16:19:20+02:00" },
          },
        ],
        periods: [{ label: "2026-09", from, to, tally }],
      },
    ],
  };
}
