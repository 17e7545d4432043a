/**
 * A thread that judges statements of a case: it is given bytes of a file, and gives back what the facts need of them.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { isEvidenceError, toHex } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { buffersOf, pack } from "../facts/packed.ts";
import { StatementJudge } from "../facts/judge.ts";
import { providerOf } from "../provider.ts";
import { judgeItems } from "./judge-items.ts";
import type { ThreadAnswer, ThreadData, ThreadTask } from "./threads.ts";

const { policy, log, keys, provider } = workerData as ThreadData;
const judge = new StatementJudge({
  policy,
  logs: [log],
  provider: providerOf(provider),
  hash: nodeSha256,
  keyOf: (kid) => {
    const name = toHex(kid);
    return keys.get(name) ?? unknown(name);
  },
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

parentPort?.on("message", ({ bytes, offset, path }: ThreadTask) => {
  const answer = answerOf(new Uint8Array(bytes), offset, path);
  parentPort?.postMessage(answer, "packed" in answer ? buffersOf(answer.packed) : []);
});

function answerOf(bytes: Uint8Array, offset: number, path: string): ThreadAnswer {
  try {
    return { packed: pack(judgeItems(judge, bytes, offset, path)) };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const { code, message } = error;
    return { code, message };
  }
}
