/**
 * Trust policy: whom the verifier believes. A text that its owner wrote or pinned, never read from the evidence.
 *
 *     log <vkey> [url]                            a log: its key is of type 01, its key's name is its origin
 *     witness <name> <vkey> [url]                 a witness: its key is of type 04; the name counts in this file only
 *     group <name> all|any|<k> <name>...          met when k of its members are; members are defined above it
 *     quorum <name>|none                          exactly one such line
 *     operator <ORG>|* <vkey>                     pins who may enrol devices of an org; the key's name is its `iss`
 *
 * The first four are c2sp.org/tlog-policy, the last is ours. Words are parted by spaces and tabs; `#` starts a comment line. A
 * group's members are defined above it and belong to one group only: so there are no circles, and nobody counts twice.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import {
  COSIGNATURE_ED25519,
  NOTE_ED25519,
  parseVkey,
  type VerifierKey,
  type VkeyType,
} from "../keys/vkey.ts";

/** Room for thousands of lines; the specification asks for 32 logs, witnesses and groups. */
const MAX_POLICY_CHARACTERS = 256 * 1024;

export type TrustedKey = { readonly vkey: VerifierKey; readonly url?: string };
export type Group = { readonly threshold: number; readonly members: readonly string[] };
export type PinnedOperator = { readonly org: string; readonly vkey: VerifierKey };

export type TrustPolicy = {
  readonly logs: readonly TrustedKey[];
  readonly witnesses: ReadonlyMap<string, TrustedKey>;
  /** In the order of their definition: members come before the groups that name them. */
  readonly groups: ReadonlyMap<string, Group>;
  /** Name of a witness or group; null where none is asked for. */
  readonly quorum: string | null;
  /** `org` is a name, or `*` for every org that has no line of its own. */
  readonly operators: readonly PinnedOperator[];
};

/**
 * Reads a policy, to its end even where lines are wrong.
 *
 * @throws EvidenceError `policy-malformed`; its message lists every fault, one a line, as `line 3: what to do`, and `where.line` is
 *   the first of them
 */
export function parsePolicy(text: string): TrustPolicy {
  // hostile: a policy may have come by mail
  if (text.length > MAX_POLICY_CHARACTERS) {
    throw new EvidenceError("policy-malformed", "line 1: shorten the policy: it has over 256 KiB", {
      line: 1,
    });
  }
  const draft = new Draft();
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const [i, line] of lines.entries()) draft.read(i + 1, line);
  return draft.finish(Math.max(1, lines.length));
}

/**
 * True where enough witnesses cosigned.
 *
 * @param cosigned - policy names of the witnesses whose cosignatures were verified; other names and repetitions count for nothing
 */
export function quorumMet(policy: TrustPolicy, cosigned: Iterable<string>): boolean {
  if (policy.quorum === null) return true;
  const met = new Set<string>();
  for (const name of cosigned) if (policy.witnesses.has(name)) met.add(name);
  for (const [name, { threshold, members }] of policy.groups) {
    if (members.filter((member) => met.has(member)).length >= threshold) met.add(name);
  }
  return met.has(policy.quorum);
}

/** Ends the reading of one line: `message` says what is wrong and what to do. */
class Fault extends Error {}

/** The policy as far as it was read, with the line on which each thing was said. */
class Draft {
  readonly #logs: TrustedKey[] = [];
  readonly #witnesses = new Map<string, TrustedKey>();
  readonly #groups = new Map<string, Group>();
  readonly #operators: PinnedOperator[] = [];
  #quorum: string | null = null;

  readonly #faults: { readonly line: number; readonly message: string }[] = [];
  /** Line of each witness's or group's definition, good or bad: a bad line is one fault, not one more wherever it is named. */
  readonly #defined = new Map<string, number>();
  /** Line of the group that each member belongs to. */
  readonly #grouped = new Map<string, number>();
  /** Keys by what they are for, each with its line. */
  readonly #keys: { readonly role: string; readonly key: Uint8Array; readonly line: number }[] = [];
  #quorumLine = 0;
  #line = 0;

  read(line: number, text: string): void {
    this.#line = line;
    try {
      this.#read(text);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#faults.push({ line, message: error.message });
    }
  }

  finish(lastLine: number): TrustPolicy {
    if (this.#quorumLine === 0) {
      this.#faults.push({
        line: lastLine,
        message: "add a line `quorum none`, or `quorum` and the name of a witness or group",
      });
    }
    const [first] = this.#faults;
    if (first !== undefined) {
      const messages = this.#faults.map(({ line, message }) => `line ${line}: ${message}`);
      throw new EvidenceError("policy-malformed", messages.join("\n"), { line: first.line });
    }
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      quorum: this.#quorum,
      operators: this.#operators,
    };
  }

  #read(text: string): void {
    if (!text.isWellFormed()) throw new Fault("save the file as UTF-8");
    if (text.endsWith("\r"))
      throw new Fault("save the file with Unix line ends (LF): this line ends in CR LF");
    if (/[^\P{Cc}\t\u0080-\u009f]/u.test(text)) throw new Fault("remove the control character");
    if (text.startsWith("\ufeff")) throw new Fault("save the file without a byte order mark");
    const [keyword = "", ...words] = text.split(/[ \t]+/).filter((word) => word !== "");
    if (keyword === "" || keyword.startsWith("#")) return;
    switch (keyword) {
      case "log":
        return this.#log(words);
      case "witness":
        return this.#witness(words);
      case "group":
        return this.#group(words);
      case "quorum":
        return this.#setQuorum(words);
      case "operator":
        return this.#operator(words);
      default:
        throw new Fault(`use log, witness, group, quorum or operator, not ${quoted(keyword)}`);
    }
  }

  #log([text, url, ...rest]: readonly string[]): void {
    if (text === undefined || rest.length > 0) throw new Fault("write `log VKEY [URL]`");
    const vkey = this.#vkey(text, NOTE_ED25519, "log");
    this.#logs.push(url === undefined ? { vkey } : { vkey, url });
  }

  #witness([name, text, url, ...rest]: readonly string[]): void {
    if (name === undefined || text === undefined || rest.length > 0) {
      throw new Fault("write `witness NAME VKEY [URL]`");
    }
    this.#define(name);
    const vkey = this.#vkey(text, COSIGNATURE_ED25519, "witness");
    this.#witnesses.set(name, url === undefined ? { vkey } : { vkey, url });
  }

  #group([name, rule, ...members]: readonly string[]): void {
    if (name === undefined || rule === undefined || members.length === 0) {
      throw new Fault("write `group NAME all|any|NUMBER MEMBER...`, with at least one member");
    }
    this.#define(name);
    for (const member of members) this.#join(name, member);
    this.#groups.set(name, { threshold: thresholdOf(rule, members.length), members });
  }

  #setQuorum([name, ...rest]: readonly string[]): void {
    if (name === undefined || rest.length > 0) throw new Fault("write `quorum NAME` or `quorum none`");
    if (this.#quorumLine !== 0) {
      throw new Fault(`remove this line: line ${this.#quorumLine} states the quorum already`);
    }
    this.#quorumLine = this.#line;
    if (name !== "none" && !this.#defined.has(name)) {
      throw new Fault(`define ${quoted(name)} above this line, as a witness or a group`);
    }
    this.#quorum = name === "none" ? null : name;
  }

  #operator([org, text, ...rest]: readonly string[]): void {
    if (org === undefined || text === undefined || rest.length > 0) {
      throw new Fault("write `operator ORG VKEY` or `operator * VKEY`");
    }
    if (org !== "*" && !/^[a-z0-9-]{1,32}$/.test(org)) {
      throw new Fault(`use * or 1 to 32 of a-z, 0-9 and - for the org, not ${quoted(org)}`);
    }
    const vkey = this.#vkey(text, NOTE_ED25519, `operator ${org}`);
    if (!/^[a-z0-9-]{1,32}\/operator$/.test(vkey.name)) {
      throw new Fault(`use an operator's key: its name is ORG/operator, not ${quoted(vkey.name)}`);
    }
    this.#operators.push({ org, vkey });
  }

  #define(name: string): void {
    if (name === "none") throw new Fault("choose another name: none means that no witness is asked for");
    const line = this.#defined.get(name);
    if (line !== undefined) throw new Fault(`choose another name: line ${line} defines ${quoted(name)}`);
    this.#defined.set(name, this.#line);
  }

  #join(group: string, member: string): void {
    if (member === group || !this.#defined.has(member)) {
      throw new Fault(`define ${quoted(member)} above this line, as a witness or a group`);
    }
    const line = this.#grouped.get(member);
    if (line !== undefined) {
      throw new Fault(`remove ${quoted(member)} here: it is a member by line ${line}, and can't count twice`);
    }
    this.#grouped.set(member, this.#line);
  }

  /** A key of the type that its role demands; one key has a role only once. */
  #vkey(text: string, type: VkeyType, role: string): VerifierKey {
    const vkey = parseKey(text);
    if (vkey.type !== type) {
      const [expected, found] = [type, vkey.type].map((n) => n.toString(16).padStart(2, "0"));
      throw new Fault(`use a verifier key of type ${expected} here: this one is of type ${found}`);
    }
    const before = this.#keys.find((one) => one.role === role && equalBytes(one.key, vkey.publicKey));
    if (before !== undefined) throw new Fault(`remove this line: line ${before.line} has the same key`);
    this.#keys.push({ role, key: vkey.publicKey, line: this.#line });
    return vkey;
  }
}

function parseKey(text: string): VerifierKey {
  try {
    return parseVkey(text);
  } catch (error) {
    if (isEvidenceError(error)) throw new Fault(`correct the verifier key: ${error.message}`);
    throw error;
  }
}

function thresholdOf(rule: string, members: number): number {
  if (rule === "all") return members;
  if (rule === "any") return 1;
  const k = /^[1-9][0-9]{0,5}$/.test(rule) ? Number(rule) : 0;
  if (k < 1 || k > members)
    throw new Fault(`use all, any, or a number from 1 to ${members}, not ${quoted(rule)}`);
  return k;
}

/** A word of the file, shown short. */
const quoted = (word: string): string => `\`${word.length > 40 ? `${word.slice(0, 40)}…` : word}\``;
