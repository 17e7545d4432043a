/**
 * A thread that judges statements of a case: it is given bytes of a file, and gives back what the facts need of them.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { isEvidenceError, toHex } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { pack } from "../facts/packed.ts";
import { lastFirst } from "../facts/known-keys.ts";
import { StatementJudge } from "../facts/judge.ts";
import { RepeatedNumbers } from "../facts/repeated.ts";
import { providerOf } from "../provider.ts";
import { judgeItems } from "./judge-items.ts";
import type { Piece } from "./pieces.ts";
import type { ThreadAnswer, ThreadData } from "./threads.ts";

const { policy, log, keys, provider } = workerData as ThreadData;
const judge = new StatementJudge({
  policy,
  logs: [log],
  provider: providerOf(provider),
  hash: nodeSha256,
  keyOf: lastFirst((kid) => {
    const name = toHex(kid);
    return keys.get(name) ?? unknown(name);
  }),
});

const unknown = (name: string) =>
  ({
    fault: {
      kind: "missing",
      check: "keys",
      code: "key-unknown",
      reason: `no enrolment of the key ${name} in the registry`,
    },
  }) as const;

const repeated = new RepeatedNumbers();

// Copied, not handed over: to detach so many buffers costs more than that.
parentPort?.on("message", (piece: Piece) => {
  parentPort?.postMessage(answerOf(piece), []);
});

function answerOf(piece: Piece): ThreadAnswer {
  try {
    return { packed: pack(judgeItems(judge, piece), repeated) };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const { code, message } = error;
    return { code, message };
  } finally {
    // Given back at once: a collector that sees only views on it would let many of them come together.
    piece.bytes.buffer.transfer(0);
  }
}
