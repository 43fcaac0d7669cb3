/** The kinds of values a setting may have: how each is read from text, JSON or YAML, bounded, and shown. */
import { limits } from "../base/limits.js";
import { describeBounds, isWithin, type NumberBounds } from "../base/number-bounds.js";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "./units.js";

/** One setting. `T` is what programs get. */
export interface Setting<T> {
  /** What it takes, for people: `64MiB`, `host:port`, … */
  readonly takes: string;
  readonly default: T;
  readonly doc: string;
  /** The value, or why there is none. */
  parse(raw: unknown): { readonly value: T } | { readonly problem: string };
  show(value: T): string;
}

/** A broker of a new cluster, as its founders know it. */
export interface Founder {
  readonly nodeId: number;
  /** `host:port` for brokers. */
  readonly address: string;
}

function numeric(kind: {
  default: number;
  doc: string;
  bounds: NumberBounds;
  example: string;
  unit: (text: string) => number | undefined;
  show: (value: number) => string;
}): Setting<number> {
  const range = describeBounds(kind.bounds, kind.show);
  return {
    takes: range,
    default: kind.default,
    doc: kind.doc,
    parse(raw) {
      const value = typeof raw === "number" ? raw : typeof raw === "string" ? kind.unit(raw) : undefined;
      if (value === undefined || !Number.isSafeInteger(value)) return { problem: `is not ${kind.example}` };
      return isWithin(value, kind.bounds) ? { value } : { problem: `is outside ${range}` };
    },
    show: kind.show,
  };
}

const plainInteger = (text: string): number | undefined => (/^\d[\d_,]*$/.test(text.trim()) ? Number(text.replace(/[_,]/g, "")) : undefined);
type NumericOptions = { readonly default: number; readonly doc: string } & NumberBounds;

export const integer = ({ default: preset, doc, ...bounds }: NumericOptions): Setting<number> =>
  numeric({ default: preset, doc, bounds, example: "a whole number", unit: plainInteger, show: (value) => value.toLocaleString("en") });

export const bytes = ({ default: preset, doc, ...bounds }: NumericOptions): Setting<number> =>
  numeric({ default: preset, doc, bounds, example: "a size such as 64MiB", unit: parseBytes, show: formatBytes });

export const duration = ({ default: preset, doc, ...bounds }: NumericOptions): Setting<number> =>
  numeric({ default: preset, doc, bounds, example: "a duration such as 500ms, 10s or 7d", unit: parseDuration, show: formatDuration });

export const text = (options: { default: string; doc: string; lengthMax: number }): Setting<string> => ({
  takes: "text",
  default: options.default,
  doc: options.doc,
  parse(raw) {
    const value = typeof raw === "number" ? String(raw) : raw;
    if (typeof value !== "string") return { problem: "is not text" };
    return value.length > options.lengthMax ? { problem: `is longer than ${options.lengthMax} characters` } : { value };
  },
  show: (value) => value,
});

export const choice = <const T extends string>(options: { default: T; doc: string; of: readonly T[] }): Setting<T> => ({
  takes: options.of.join(" | "),
  default: options.default,
  doc: options.doc,
  parse(raw) {
    const value = options.of.find((known) => known === raw);
    return value === undefined ? { problem: `is not one of ${options.of.join(", ")}` } : { value };
  },
  show: (value) => value,
});

const ADDRESS = /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?):(\d{1,5})$/i;

/** Why `address` is not `host:port`, or undefined. Port 0 means any free one and is only good for listening. */
export function addressProblem(address: string, { portMin }: { portMin: 0 | 1 }): string | undefined {
  const port = ADDRESS.exec(address)?.[2];
  if (port === undefined) return "is not host:port (an IPv6 host goes into brackets: [::1]:9701)";
  return Number(port) < portMin || Number(port) > 65_535 ? `has a port outside ${portMin} to 65535` : undefined;
}

/** `optional`: empty text stands for "not given". */
export const address = (options: { default: string; doc: string; portMin: 0 | 1; optional?: boolean }): Setting<string> => ({
  takes: "host:port",
  default: options.default,
  doc: options.doc,
  parse(raw) {
    if (typeof raw !== "string") return { problem: "is not host:port" };
    const value = raw.trim();
    const problem = value === "" && options.optional === true ? undefined : addressProblem(value, options);
    return problem === undefined ? { value } : { problem };
  },
  show: (value) => value,
});

/** A list, or the same separated by commas. */
function listOf<T>(options: { doc: string; takes: string; parseItem: (item: string) => T | string; show: (item: T) => string }): Setting<readonly T[]> {
  return {
    takes: options.takes,
    default: [],
    doc: options.doc,
    parse(raw) {
      const items = typeof raw === "string" ? raw.split(",").filter((item) => item.trim() !== "") : raw;
      if (!Array.isArray(items)) return { problem: `is not a list of ${options.takes}` };
      const value: T[] = [];
      for (const item of items) {
        const parsed = typeof item === "string" ? options.parseItem(item.trim()) : `is not a list of ${options.takes}`;
        if (typeof parsed === "string") return { problem: `has ${JSON.stringify(item)}, which ${parsed}` };
        value.push(parsed);
      }
      return { value };
    },
    show: (value) => value.map(options.show).join(","),
  };
}

/** `1@host:9801,2@host:9802,…`; ids and addresses each occur once. */
export function founders(options: { doc: string }): Setting<readonly Founder[]> {
  const list = listOf<Founder>({
    doc: options.doc,
    takes: "id@host:port, …",
    parseItem(item) {
      const [, id, where = ""] = /^(\d+)@(.+)$/.exec(item) ?? [];
      const nodeId = Number(id);
      if (id === undefined || nodeId < 1 || nodeId > limits.nodeIdMax) return `is not id@host:port with an id from 1 to ${limits.nodeIdMax}`;
      return addressProblem(where, { portMin: 1 }) ?? { nodeId, address: where };
    },
    show: (founder) => `${founder.nodeId}@${founder.address}`,
  });
  return {
    ...list,
    parse(raw) {
      const parsed = list.parse(raw);
      if ("problem" in parsed) return parsed;
      const twice = repeated(parsed.value.map((founder) => `id ${founder.nodeId}`)) ?? repeated(parsed.value.map((founder) => founder.address));
      return twice === undefined ? parsed : { problem: `has ${twice} twice` };
    },
  };
}

/** `host:9801,host:9802`. */
export const addresses = (options: { doc: string }): Setting<readonly string[]> => {
  const list = listOf<{ address: string }>({
    doc: options.doc,
    takes: "host:port, …",
    parseItem: (item) => addressProblem(item, { portMin: 1 }) ?? { address: item },
    show: (item) => item.address,
  });
  return {
    takes: list.takes,
    default: [],
    doc: list.doc,
    parse(raw) {
      const parsed = list.parse(raw);
      return "problem" in parsed ? parsed : { value: parsed.value.map((item) => item.address) };
    },
    show: (value) => value.join(","),
  };
};

const repeated = (items: readonly string[]): string | undefined => items.find((item, at) => items.indexOf(item) !== at);
