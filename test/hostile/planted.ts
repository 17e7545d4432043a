/**
 * Readers with one fault each, by which the run itself is tested: it has to find every one of them.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";
import { must, type Seed, type Target } from "./target.ts";

const seeds: readonly Seed[] = [{ name: "four bytes", bytes: Uint8Array.of(1, 2, 3, 4), about: undefined }];
const common = { nature: "bytes", weight: 1, seeds, expected: [] } as const;
const kept: Uint8Array[] = [];

const answer = (bytes: Uint8Array): string => (bytes.length % 2 === 0 ? "accepted" : "cbor-malformed");

/** A fault that a few of a thousand cases meet, always the same ones. */
const seldom =
  (fault: () => void): Target["run"] =>
  (bytes, _seed, _signed, random) => {
    if (random.below(500) === 0) fault();
    return answer(bytes);
  };

export const makeTargets = (): Promise<readonly Target[]> =>
  Promise.resolve([
    { ...common, name: "sound", run: answer },
    {
      ...common,
      name: "hangs",
      run: seldom(() => {
        for (;;);
      }),
    },
    {
      ...common,
      name: "crashes",
      run: seldom(() => {
        throw new TypeError("a fault of the reader");
      }),
    },
    {
      ...common,
      name: "devours",
      run: seldom(() => {
        const all: unknown[] = [];
        for (;;) all.push([all.length]);
      }),
    },
    {
      ...common,
      name: "leaks",
      run: (bytes: Uint8Array) => {
        kept.push(new Uint8Array(10_000));
        return answer(bytes);
      },
    },
    {
      ...common,
      name: "believes",
      run: (bytes: Uint8Array) => {
        must(bytes[0] === 1, "changed, and accepted");
        return answer(bytes);
      },
    },
    {
      ...common,
      name: "shallow",
      expected: ["accepted"],
      run: () => new EvidenceError("cbor-malformed", "never looks at it").code,
    },
  ]);
