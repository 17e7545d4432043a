import {
  COSIGNATURE_ED25519,
  ed25519Key,
  formatVkey,
  isEvidenceError,
  parsePolicy,
  quorumMet,
  type EvidenceError,
  type TrustPolicy,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const keyOf = (n: number): ReturnType<typeof ed25519Key> => ed25519Key(new Uint8Array(32).fill(n));
const LOG = formatVkey("log.example/2026", keyOf(1));
const LOG2 = formatVkey("log.example/2027", keyOf(2));
const witness = (n: number): string => formatVkey(`w${n}.example`, keyOf(100 + n), COSIGNATURE_ED25519);
const CITY = formatVkey("city/operator", keyOf(50));
const WATER = formatVkey("water/operator", keyOf(51));

const faultOf = (text: string): EvidenceError => {
  try {
    parsePolicy(text);
  } catch (error) {
    if (isEvidenceError(error)) return error;
    throw error;
  }
  return expect.unreachable(`accepted:\n${text}`);
};

/** The example of c2sp.org/tlog-policy, with keys. */
const EXAMPLE = `log ${LOG}

witness X1 ${witness(1)}
witness X2 ${witness(2)}
witness X3 ${witness(3)}
group X-witnesses 2 X1 X2 X3

witness Y1 ${witness(4)}
witness Y2 ${witness(5)}
witness Y3 ${witness(6)}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`;

describe("reading", () => {
  test("the specification's example", () => {
    const policy = parsePolicy(EXAMPLE);
    expect(policy.logs.map(({ vkey }) => vkey.text)).toEqual([LOG]);
    expect([...policy.witnesses.keys()]).toEqual(["X1", "X2", "X3", "Y1", "Y2", "Y3"]);
    expect([...policy.groups]).toEqual([
      ["X-witnesses", { threshold: 2, members: ["X1", "X2", "X3"] }],
      ["Y-witnesses", { threshold: 1, members: ["Y1", "Y2", "Y3"] }],
      ["X-and-Y", { threshold: 2, members: ["X-witnesses", "Y-witnesses"] }],
    ]);
    expect(policy.quorum).toBe("X-and-Y");
    expect(policy.operators).toEqual([]);
  });

  test("URLs, operators, comments, tabs, empty lines, no newline at the end", () => {
    const policy = parsePolicy(
      [
        "# whom we believe",
        "\t# indented",
        "",
        ` \t log\t${LOG}  https://log.example/ `,
        `log ${LOG2}`,
        `witness Straße ${witness(1)} https://w.example/`,
        `operator city ${CITY}`,
        `operator * ${CITY}`,
        `operator water ${WATER}`,
        "quorum none",
      ].join("\n"),
    );
    expect(policy.logs.map(({ vkey, url }) => [vkey.name, url])).toEqual([
      ["log.example/2026", "https://log.example/"],
      ["log.example/2027", undefined],
    ]);
    expect(policy.witnesses.get("Straße")?.url).toBe("https://w.example/");
    expect(policy.operators.map(({ org, vkey }) => [org, vkey.name])).toEqual([
      ["city", "city/operator"],
      ["*", "city/operator"],
      ["water", "water/operator"],
    ]);
    expect(policy.quorum).toBeNull();
    expect(parsePolicy("quorum none")).toMatchObject({ logs: [], quorum: null });
  });

  test("32 logs, witnesses and groups, one within the other", () => {
    const lines: string[] = [];
    for (let i = 0; i < 32; i++) {
      lines.push(`log ${formatVkey(`log${i}`, keyOf(i))}`, `witness w${i} ${witness(i)}`);
      lines.push(i === 0 ? "group g0 all w0" : `group g${i} all g${i - 1} w${i}`);
    }
    const policy = parsePolicy([...lines, "quorum g31"].join("\n"));
    expect(policy.logs).toHaveLength(32);
    const all = [...policy.witnesses.keys()];
    expect(quorumMet(policy, all)).toBe(true);
    expect(
      all.every(
        (name) =>
          !quorumMet(
            policy,
            all.filter((other) => other !== name),
          ),
      ),
    ).toBe(true);
  });

  const w1 = `witness a ${witness(1)}`;
  test.for([
    ["an unknown keyword", `quorum none\nlogs ${LOG}`, 2],
    ["a keyword in capitals", `Log ${LOG}\nquorum none`, 1],
    ["log without a key", "log\nquorum none", 1],
    ["log with too much", `log ${LOG} url more\nquorum none`, 1],
    ["a log's key of a witness", `log ${witness(1)}\nquorum none`, 1],
    ["a broken key", `log ${LOG.slice(0, -4)}\nquorum none`, 1],
    ["a key whose name was changed", `log ${LOG.replace("2026", "2025")}\nquorum none`, 1],
    ["one log twice", `log ${LOG}\nlog ${LOG}\nquorum none`, 2],
    ["one log key under two names", `log ${LOG}\nlog ${formatVkey("other", keyOf(1))}\nquorum none`, 2],
    ["witness without a key", "witness a\nquorum none", 1],
    ["a witness's key of a log", `witness a ${LOG}\nquorum none`, 1],
    ["a witness named none", `witness none ${witness(1)}\nquorum none`, 1],
    ["one name twice", `${w1}\nwitness a ${witness(2)}\nquorum none`, 2],
    ["one witness key twice", `${w1}\nwitness b ${witness(1)}\nquorum none`, 2],
    ["a group with a witness's name", `${w1}\ngroup a any a\nquorum a`, 2],
    ["a group named none", `${w1}\ngroup none any a\nquorum none`, 2],
    ["a group without members", `${w1}\ngroup g any\nquorum none`, 2],
    ["a group without a rule", `${w1}\ngroup g\nquorum none`, 2],
    ["none as a member", `${w1}\ngroup g any none\nquorum none`, 2],
    ["a member that is defined below", `group g any a\n${w1}\nquorum g`, 1],
    ["a group in itself", `${w1}\ngroup g any a g\nquorum g`, 2],
    ["a member twice", `${w1}\ngroup g 2 a a\nquorum g`, 2],
    ["a member of two groups", `${w1}\ngroup g any a\ngroup h any a\nquorum g`, 3],
    ["a threshold of 0", `${w1}\ngroup g 0 a\nquorum g`, 2],
    ["a threshold above the members", `${w1}\ngroup g 2 a\nquorum g`, 2],
    ["a threshold with a zero in front", `${w1}\ngroup g 01 a\nquorum g`, 2],
    ["a threshold that is no number", `${w1}\ngroup g most a\nquorum g`, 2],
    ["a quorum of nobody", "\nquorum a", 2],
    ["a quorum that is defined below", `quorum a\n${w1}`, 1],
    ["quorum without a name", "quorum", 1],
    ["quorum with two names", `${w1}\nquorum a a`, 2],
    ["two quorum lines", `quorum none\n${w1}\nquorum none`, 3],
    ["no quorum line", `log ${LOG}\n# end\n`, 2],
    ["nothing at all", "", 1],
    ["operator without a key", "operator city\nquorum none", 1],
    ["operator of a malformed org", `operator City ${CITY}\nquorum none`, 1],
    ["an operator's key with another name", `operator city ${LOG}\nquorum none`, 1],
    ["an operator's key of a witness", `operator city ${witness(1)}\nquorum none`, 1],
    ["one operator of an org twice", `operator city ${CITY}\noperator city ${CITY}\nquorum none`, 2],
    ["a carriage return", `log ${LOG}\r\nquorum none\r\n`, 1],
    ["a control character", `log ${LOG}\nquorum none\u000b`, 2],
    ["a delete character", `# \u007f\nquorum none`, 1],
    ["a byte order mark", `\ufeffquorum none`, 1],
    ["half a surrogate pair", `# \ud800\nquorum none`, 1],
    ["over 256 KiB", `quorum none\n${"#".repeat(300_000)}`, 1],
  ] as const)("%s: policy-malformed, with its line", ([, text, line]) => {
    const fault = faultOf(text);
    expect(fault.code).toBe("policy-malformed");
    expect(fault.where["line"]).toBe(line);
    expect(fault.message.split("\n")[0]).toMatch(new RegExp(`^line ${line}: .{10,}`));
  });

  test("every fault is listed once, and none is the echo of another", () => {
    const fault = faultOf(
      [
        "log nonsense",
        `witness a ${LOG}`,
        "group g 3 a",
        "operator x",
        "quorum g",
        "quorum none",
        "loog",
      ].join("\n"),
    );
    const lines = fault.message.split("\n").map((message) => message.split(":")[0]);
    expect(lines).toEqual(["line 1", "line 2", "line 3", "line 4", "line 6", "line 7"]);
    expect(fault.where).toEqual({ line: 1 });
  });
});

describe("quorum", () => {
  const policy = parsePolicy(EXAMPLE);

  test.for([
    [[], false],
    [["X1", "X2"], false],
    [["X1", "Y1"], false],
    [["X1", "X2", "Y1"], true],
    [["X3", "X2", "Y3"], true],
    [["X1", "X2", "X3", "Y1", "Y2", "Y3"], true],
    [["X1", "X1", "X1", "Y1"], false],
    [["X-witnesses", "Y-witnesses"], false],
    [["X-and-Y"], false],
    [["X1", "X-witnesses", "Y1"], false],
    [["Z", "none", "", "X1", "Y1"], false],
  ] as const)("%j: %s", ([cosigned, isMet]) => {
    expect(quorumMet(policy, cosigned)).toBe(isMet);
    expect(quorumMet(policy, new Set(cosigned))).toBe(isMet);
  });

  test("of none, of one witness", () => {
    expect(quorumMet(parsePolicy("quorum none"), [])).toBe(true);
    const one = parsePolicy(`witness a ${witness(1)}\nwitness b ${witness(2)}\nquorum a`);
    expect(quorumMet(one, ["a"])).toBe(true);
    expect(quorumMet(one, ["b"])).toBe(false);
  });

  /** Counts by recursion, as the specification tells it. */
  const counted = ({ groups }: TrustPolicy, name: string, cosigned: ReadonlySet<string>): boolean => {
    const group = groups.get(name);
    if (group === undefined) return cosigned.has(name);
    return (
      group.members.filter((member) => counted({ groups } as TrustPolicy, member, cosigned)).length >=
      group.threshold
    );
  };

  test("nested groups, against a recursive count", () => {
    // Each number decides how many of what stands loose so far the next group takes.
    const recipes = fc.array(fc.record({ take: fc.integer({ min: 1, max: 4 }), k: fc.nat(3) }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(recipes, fc.nat(255), (recipe, mask) => {
        const loose = Array.from({ length: 8 }, (_, i) => `w${i}`);
        const lines = loose.map((name, i) => `witness ${name} ${witness(i)}`);
        const cosigned = new Set(loose.filter((_, i) => (mask >> i) & 1));
        for (const [i, { take, k }] of recipe.entries()) {
          const members = loose.splice(0, take);
          lines.push(`group g${i} ${(k % members.length) + 1} ${members.join(" ")}`);
          loose.push(`g${i}`);
        }
        for (const quorum of loose) {
          const drawn = parsePolicy([...lines, `quorum ${quorum}`].join("\n"));
          expect(quorumMet(drawn, cosigned)).toBe(counted(drawn, quorum, cosigned));
        }
      }),
    );
  });

  test("a chain of thousands of groups costs no stack", () => {
    const groups = Array.from({ length: 9000 }, (_, i) => `group g${i} any ${i === 0 ? "a" : `g${i - 1}`}`);
    const deep = parsePolicy([`witness a ${witness(1)}`, ...groups, "quorum g8999"].join("\n"));
    expect(quorumMet(deep, ["a"])).toBe(true);
    expect(quorumMet(deep, [])).toBe(false);
  });
});

describe("any text", () => {
  /** One way to write a policy down; reading it must give the policy back. */
  const write = (policy: TrustPolicy): string =>
    [
      ...policy.logs.map(({ vkey, url = "" }) => `log ${vkey.text} ${url}`),
      ...[...policy.witnesses].map(([name, { vkey, url = "" }]) => `witness ${name} ${vkey.text} ${url}`),
      ...[...policy.groups].map(
        ([name, { threshold, members }]) => `group ${name} ${threshold} ${members.join(" ")}`,
      ),
      ...policy.operators.map(({ org, vkey }) => `operator ${org} ${vkey.text}`),
      `quorum ${policy.quorum ?? "none"}`,
    ].join("\n");

  const word = fc.constantFrom(
    "log",
    "witness",
    "group",
    "quorum",
    "operator",
    "none",
    "all",
    "any",
    "1",
    "2",
    "a",
    "b",
    "*",
    "city",
    "#",
    LOG,
    LOG2,
    CITY,
    witness(1),
    witness(2),
    "https://x.example/",
  );
  const soup = fc
    .array(
      fc.array(word, { maxLength: 5 }).map((words) => words.join(" ")),
      { maxLength: 8 },
    )
    .map((lines) => lines.join("\n"));
  const bent = fc
    .tuple(fc.nat(EXAMPLE.length), fc.nat(3), fc.string({ unit: "binary", maxLength: 2 }))
    .map(([at, cut, put]) => EXAMPLE.slice(0, at) + put + EXAMPLE.slice(at + cut));
  const likely = fc
    .tuple(
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom("none", "a", "b", "g"),
      fc.constantFrom("all", "any", "1", "2", "3"),
    )
    .map(([hasLog, hasOperator, quorum, k]) =>
      [
        hasLog ? `log ${LOG}` : "",
        `witness a ${witness(1)}`,
        `witness b ${witness(2)}`,
        `group g ${k} a b`,
        hasOperator ? `operator * ${CITY}` : "",
        `quorum ${quorum}`,
      ].join("\n"),
    );

  test("is refused with policy-malformed, or means the same when written down and read again", () => {
    fc.assert(
      fc.property(fc.oneof(soup, bent, likely, fc.string({ unit: "binary" })), (text) => {
        let policy: TrustPolicy;
        try {
          policy = parsePolicy(text);
        } catch (error) {
          return (
            isEvidenceError(error) && error.code === "policy-malformed" && /^line \d+: /.test(error.message)
          );
        }
        expect(parsePolicy(write(policy))).toEqual(policy);
        return true;
      }),
      { numRuns: 2000 },
    );
  });
});
