/** Settings from the file, the environment and flags become one checked configuration, and it is known where each came from. */
import { closest, distance } from "fastest-levenshtein";
import { QuireError } from "../base/errors.js";
import { contradictions } from "./contradictions.js";
import { type Config, flagOf, isSettingName, type Resolved, type SettingName, settingNames, settings, variableOf } from "./settings.js";

/** Variables that begin as settings do and are none. */
const OTHER_VARIABLES = ["QUIRE_CONFIG", "QUIRE_BROKERS"];

export interface Sources {
  /** As parsed from YAML or JSON; sections may be nested or written with dots. */
  readonly file?: { readonly name: string; readonly content: unknown };
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** By flag, without dashes in front: `node-id`. */
  readonly flags?: Readonly<Record<string, unknown>>;
}

interface Given {
  readonly name: SettingName;
  readonly raw: unknown;
  readonly origin: string;
}

/**
 * Flags win over the environment, the environment over the file, the file over defaults. All that is wrong is said at
 * once, a line each.
 *
 * @throws QuireError INVALID_SETTING
 */
export function resolve(sources: Sources): Resolved {
  const problems: string[] = [];
  const given = [...fromFile(sources, problems), ...fromEnvironment(sources, problems), ...fromFlags(sources, problems)];
  const values: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const name of settingNames) {
    values[name] = settings[name].default;
    origins[name] = "default";
  }
  for (const { name, raw, origin } of given) {
    const parsed = settings[name].parse(raw);
    if ("problem" in parsed) problems.push(`${name} is ${JSON.stringify(raw)} (${origin}), which ${parsed.problem}`);
    else values[name] = parsed.value;
    origins[name] = origin;
  }
  const resolved = { config: nest(values), origins: origins as Record<SettingName, string> };
  if (problems.length === 0) problems.push(...contradictions(resolved));
  if (problems.length > 0) throw new QuireError("INVALID_SETTING", problems.join("\n"), { details: { problems: problems.length } });
  return resolved;
}

/** @throws QuireError INVALID_SETTING when a variable that begins with QUIRE_ is no setting. */
export function checkEnvironment(environment: Readonly<Record<string, string | undefined>>): void {
  const problems: string[] = [];
  fromEnvironment({ environment }, problems);
  if (problems.length > 0) throw new QuireError("INVALID_SETTING", problems.join("\n"));
}

/** The value of a setting as people read it. */
export function show(config: Config, name: SettingName): string {
  const showAny = settings[name].show as (value: unknown) => string;
  return showAny(settingValue(config, name));
}

/** The value of a setting as programs read it. */
export function settingValue(config: Config, name: SettingName): unknown {
  return name.split(".").reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], config);
}

/** The known word that `wrong` was probably meant to be. */
export function suggest(wrong: string, known: readonly string[]): string | undefined {
  const plain = (word: string): string =>
    word
      .toLowerCase()
      .replace(/^quire_/, "")
      .replace(/[^a-z0-9]/g, "");
  const meant = plain(wrong);
  if (meant === "" || known.length === 0) return undefined;
  // A name without its section is the name, too.
  const exact = known.find((word) => plain(word) === meant || plain(word.replace(/^[a-z]+\./, "")) === meant);
  if (exact !== undefined) return exact;
  const nearest = closest(meant, known.map(plain));
  return distance(meant, nearest) <= Math.max(2, meant.length / 3) ? known.find((word) => plain(word) === nearest) : undefined;
}

const unknown = (what: string, wrong: string, known: readonly string[]): string => {
  const meant = suggest(wrong, known);
  return `${what} ${wrong} is not a setting${meant === undefined ? "; `quire config` lists them all" : `; did you mean ${meant}?`}`;
};

function fromFile({ file }: Sources, problems: string[]): Given[] {
  if (file === undefined || file.content === null || file.content === undefined) return [];
  if (typeof file.content !== "object" || Array.isArray(file.content)) {
    problems.push(`file ${file.name} does not hold settings by name, such as "nodeId: 1"`);
    return [];
  }
  const origin = `file ${file.name}`;
  return flatten(file.content, "").flatMap(([name, raw]) => {
    if (isSettingName(name)) return [{ name, raw, origin }];
    problems.push(`${origin}: ${unknown("setting", name, settingNames)}`);
    return [];
  });
}

/** Sections become dotted names; whatever else is an object stays a value, for its setting to refuse. */
function flatten(content: object, prefix: string): [string, unknown][] {
  return Object.entries(content).flatMap(([key, value]) => {
    const name = `${prefix}${key}`;
    const isSection = typeof value === "object" && value !== null && !Array.isArray(value) && !isSettingName(name);
    return isSection ? flatten(value, `${name}.`) : [[name, value] as [string, unknown]];
  });
}

function fromEnvironment({ environment = {} }: Sources, problems: string[]): Given[] {
  const names = new Map(settingNames.map((name) => [variableOf(name), name]));
  return Object.entries(environment).flatMap(([variable, raw]) => {
    if (!variable.startsWith("QUIRE_") || raw === undefined || OTHER_VARIABLES.includes(variable)) return [];
    const name = names.get(variable);
    if (name !== undefined) return [{ name, raw, origin: `environment ${variable}` }];
    problems.push(unknown("environment variable", variable, [...names.keys(), ...OTHER_VARIABLES]));
    return [];
  });
}

function fromFlags({ flags = {} }: Sources, problems: string[]): Given[] {
  const names = new Map(settingNames.map((name) => [flagOf(name), name]));
  return Object.entries(flags).flatMap(([flag, raw]) => {
    const name = names.get(flag);
    if (raw === undefined) return [];
    if (name !== undefined) return [{ name, raw, origin: `flag --${flag}` }];
    problems.push(
      unknown(
        "flag",
        `--${flag}`,
        [...names.keys()].map((known) => `--${known}`),
      ),
    );
    return [];
  });
}

function nest(values: Readonly<Record<string, unknown>>): Config {
  const config: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    const [section, inner] = name.split(".");
    if (section === undefined || inner === undefined) config[name] = value;
    else config[section] = { ...(config[section] as object | undefined), [inner]: value };
  }
  // Every name of the table was set from its own default or parser, so the shape is Config's.
  return config as unknown as Config;
}
