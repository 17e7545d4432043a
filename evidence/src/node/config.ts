/**
 * Configuration files: YAML that is checked against a schema, each fault with its line and what to do. The YAML reader and the schema are
 * given by the caller, so that this package depends on neither.
 *
 * @module
 */
import { readFileSync } from "node:fs";

/** What went wrong with a configuration: one line a fault, `file:line: key.path: what to do`. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** The part of `yaml`'s Document that is used: `parseDocument` of that package fits. */
type YamlDocument = {
  readonly errors: readonly {
    readonly message: string;
    readonly linePos?: readonly { readonly line: number }[] | undefined;
  }[];
  toJS(): unknown;
  getIn(path: readonly (string | number)[], keepScalar: true): unknown;
  readonly contents: unknown;
};
type ParseDocument<L extends LineCounter> = (
  text: string,
  options: { readonly lineCounter: L },
) => YamlDocument;
/** `new LineCounter()` of `yaml` fits. */
export type LineCounter = { linePos(offset: number): { readonly line: number } };

/** The part of a zod schema that is used: any `z.strictObject(…)` fits. */
type Schema<T> = {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: T }
    | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } };
};
type Issue = {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
};

export type ConfigSource<T, L extends LineCounter = LineCounter> = {
  readonly path: string;
  readonly schema: Schema<T>;
  readonly parseDocument: ParseDocument<L>;
  readonly lineCounter: L;
  /** `TALLYSTICK_…` overrides: environment name to the key it sets, e.g. `{ TALLYSTICK_BROKER_URL: ["broker", "url"] }`. */
  readonly overrides?: Readonly<Record<string, readonly string[]>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
};

/** Longest configuration file that is read. */
const MAX_CONFIG_BYTES = 1 << 20;

/**
 * Reads and checks a configuration file.
 *
 * @throws ConfigError that lists every fault
 */
export function loadConfig<T, L extends LineCounter>(source: ConfigSource<T, L>): T {
  let text: string;
  try {
    text = readFileSync(source.path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError([
      `${source.path}: can't read the configuration: ${reason}; name another with --config`,
    ]);
  }
  return parseConfig(text, source);
}

/** As {@link loadConfig}, for a text that was read already; `path` is for the messages. */
export function parseConfig<T, L extends LineCounter>(text: string, source: ConfigSource<T, L>): T {
  const { path, schema, parseDocument, lineCounter } = source;
  if (text.length > MAX_CONFIG_BYTES)
    throw new ConfigError([`${path}: larger than ${MAX_CONFIG_BYTES} bytes`]);
  const document = parseDocument(text, { lineCounter });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(
        ({ message, linePos }) =>
          `${path}:${linePos?.[0]?.line ?? 1}: not YAML: ${message.split("\n")[0] ?? ""}`,
      ),
    );
  }
  const value = overridden(document.toJS() ?? {}, source);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const lineOf = (keys: readonly PropertyKey[]): number => lineFor(document, lineCounter, keys);
  const faults = result.error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return (issue.keys ?? []).map((key) => {
        const keys = [...issue.path, key];
        return `${path}:${lineOf(keys)}: ${keys.map(String).join(".")}: no such setting; remove it or check its spelling`;
      });
    }
    return [
      `${path}:${lineOf(issue.path)}: ${issue.path.map(String).join(".") || "(top level)"}: ${inWords(issue)}`,
    ];
  });
  throw new ConfigError(faults);
}

/** The schema's own words, but for what is simply not there. */
const inWords = ({ message }: Issue): string =>
  message.replace(/^Invalid input: expected (\w+), received undefined$/, "is missing; give a $1");

function overridden(
  value: unknown,
  { overrides = {}, env = {} }: Pick<ConfigSource<unknown>, "overrides" | "env">,
): unknown {
  let result = value;
  for (const [name, keys] of Object.entries(overrides)) {
    const text = env[name];
    if (text !== undefined) result = withValue(result, keys, text);
  }
  return result;
}

function withValue(value: unknown, [key, ...rest]: readonly string[], text: string): unknown {
  if (key === undefined) return text;
  const object = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  return { ...object, [key]: withValue(object[key], rest, text) };
}

/** Line of a key, or of the nearest thing around it. */
function lineFor(document: YamlDocument, lines: LineCounter, keys: readonly PropertyKey[]): number {
  const path = keys.map((key) => (typeof key === "number" ? key : String(key)));
  for (let length = path.length; length > 0; length--) {
    const offset = keyOffset(document, path.slice(0, length));
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return 1;
}

type Ranged = { readonly range?: readonly number[] | null };
type Pairs = { readonly items?: readonly { readonly key?: Ranged & { readonly value?: unknown } }[] };

/** Where the key itself stands: the value may begin lines below it. */
function keyOffset(document: YamlDocument, path: readonly (string | number)[]): number | undefined {
  const last = path.at(-1);
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (typeof parent !== "object" || parent === null) return undefined;
  const items = (parent as Pairs).items ?? [];
  if (typeof last === "number") return (items[last] as Ranged | undefined)?.range?.[0];
  return items.find((pair) => pair.key?.value === last)?.key?.range?.[0];
}
