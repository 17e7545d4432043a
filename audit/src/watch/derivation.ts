/**
 * What a log's tree holds, derived and compared with what the log signs of it: entries, registry, key state, operators.
 *
 * @module
 */
import {
  EvidenceError,
  type Hash,
  type Receipt,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import { LogFindings } from "../judgement.ts";
import type { AuthenticTiles } from "../log/authentic.ts";
import type { OpenLog } from "../log/note.ts";
import { checkOperators } from "../log/operators.ts";
import type { Findings } from "./alert.ts";
import { checkRegistry, follow } from "./follow.ts";
import type { History } from "./history.ts";
import { newestReceipt } from "./newest.ts";
import { newsOf } from "./news.ts";
import { RegistryFollower } from "./registry.ts";
import type { WatchState } from "./state.ts";
import type { TimedPlace } from "./timed-place.ts";

export type DerivationParts = {
  readonly place: TimedPlace;
  readonly history: History;
  /** Devices whose keys are watched; none: all. */
  readonly devices: ReadonlySet<string>;
  /** True where the rest has to wait for the next look. */
  readonly isLate: () => boolean;
  readonly policy: TrustPolicy;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
};

export class Derivation {
  readonly #parts: DerivationParts;
  readonly registry: RegistryFollower;
  /** Size at which items were published that had no place yet. */
  #unplacedAt: number | undefined;

  constructor(parts: DerivationParts) {
    const { place, provider, hash } = parts;
    this.#parts = parts;
    this.registry = new RegistryFollower(place, { provider, hash });
  }

  /**
   * Derives what is new, as far as there is time, and tells of new keys; gives the log's receipt of this tree, where there is one.
   *
   * @throws EvidenceError what is wrong with it; `unreachable`, `http-answer`
   */
  async derive(
    log: OpenLog,
    tiles: AuthenticTiles,
    state: WatchState,
    findings: Findings,
  ): Promise<Receipt | undefined> {
    const { place, history, devices, isLate, provider, hash } = this.#parts;
    const { registry } = this;
    await follow({
      place,
      log,
      tiles,
      registry,
      hash,
      state,
      isLate,
      onItem: (placed) => {
        if (placed.index < state.began) return;
        const news = newsOf(placed, registry.keys, devices);
        if (news !== undefined) findings.add(news);
      },
    });
    const newest = await newestReceipt(place, log, { provider, hash });
    const receipt = newest?.receipt;
    if (receipt !== undefined && newest?.fits === false) {
      await history.equivocated(log, receipt.bytes, findings);
      return undefined;
    }
    if (state.derived === log.size) this.#compare(log, receipt);
    return receipt;
  }

  #compare(log: OpenLog, receipt: Receipt | undefined): void {
    const { registry } = this;
    this.#mustPlaceAll(log);
    checkRegistry(registry, log, receipt);
    const operators = new LogFindings();
    checkOperators(registry.keys, this.#parts.policy, operators);
    const fault = operators.judgement().checks.find(({ result }) => result === "failed");
    if (fault?.code !== undefined) throw new EvidenceError(fault.code, fault.reason ?? "");
  }

  /** Items are published right before the tree that has them: those that were there at an earlier one have their places now. */
  #mustPlaceAll(log: OpenLog): void {
    const { waiting } = this.registry;
    const since = this.#unplacedAt;
    this.#unplacedAt = waiting === 0 ? undefined : (since ?? log.size);
    if (since === undefined || waiting === 0 || since === log.size) return;
    throw new EvidenceError(
      "registry-mismatch",
      `${waiting} registry items are published, and not among the entries of the log`,
    );
  }
}
