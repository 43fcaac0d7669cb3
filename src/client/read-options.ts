import { partitionNotFound } from "../base/refusals.js";
import { checkNames, refuse } from "./options.js";

/** Offsets by partition. */
export type Offsets = Readonly<Record<number, number>>;

/**
 * Where to begin. A `Date` or `timestampMs`: the first record at or after that time. `offset` holds for every partition read;
 * with `offsets`, partitions that it does not name begin at their earliest.
 */
export type ReadFrom = "earliest" | "latest" | Date | { readonly timestampMs: number } | { readonly offset: number } | { readonly offsets: Offsets };

/** Where to stop, before these offsets. `latest`: at what was committed when reading began. */
export type ReadTo = "latest" | { readonly offset: number } | { readonly offsets: Offsets };

export interface ReadOptions {
  /** Default `earliest`. */
  readonly from?: ReadFrom;
  /** Default: never, new records are waited for. */
  readonly to?: ReadTo;
  /** Default: all, and those that the topic grows by. */
  readonly partitions?: readonly number[];
  /** Records that were to come next are gone (retention, trimming): fail with OFFSET_OUT_OF_RANGE (default), or go on there. */
  readonly outOfRange?: "error" | "earliest" | "latest";
  /** Aborting it ends the reading by throwing its reason; `close` ends it without. */
  readonly signal?: AbortSignal;
}

const NAMES = ["from", "to", "partitions", "outOfRange", "signal"];

/** @throws QuireError INVALID_SETTING */
export function checkReadOptions(options: ReadOptions): void {
  checkNames("read", options, NAMES);
  const { from, to, partitions, outOfRange } = options;
  if (typeof from === "string" && from !== "earliest" && from !== "latest")
    refuse("from", `from is ${JSON.stringify(from)}; use "earliest", "latest", a Date, { timestampMs }, { offset } or { offsets }`);
  if (from instanceof Date && Number.isNaN(from.getTime())) refuse("from", "from is not a valid Date");
  if (typeof from === "object" && !(from instanceof Date)) checkPlace("from", from, ["timestampMs", "offset", "offsets"]);
  if (typeof to === "string" && to !== "latest") refuse("to", `to is ${JSON.stringify(to)}; use "latest", { offset } or { offsets }`);
  if (typeof to === "object") checkPlace("to", to, ["offset", "offsets"]);
  if (partitions !== undefined && (!Array.isArray(partitions) || partitions.length === 0 || !partitions.every(isOffset)))
    refuse("partitions", "partitions is a list of at least one partition number");
  if (outOfRange !== undefined && !["error", "earliest", "latest"].includes(outOfRange))
    refuse("outOfRange", `outOfRange is ${JSON.stringify(outOfRange)}; use "error", "earliest" or "latest"`);
}

const isOffset = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function checkPlace(name: string, place: object, kinds: readonly string[]): void {
  const given = Object.entries(place);
  const [kind, value] = given[0] ?? ["", undefined];
  if (given.length !== 1 || !kinds.includes(kind)) refuse(name, `${name} has exactly one of ${kinds.join(", ")}`);
  const values =
    kind === "offsets"
      ? Object.entries(value as object)
          .flat()
          .map(Number)
      : [value];
  const bad = values.find((each) => !isOffset(each));
  if (bad !== undefined) refuse(name, `${name}.${kind} holds ${String(bad)}; use whole numbers from 0 on`);
}

/** The partitions to read. @throws QuireError PARTITION_NOT_FOUND */
export function partitionsToRead(topic: string, count: number, wanted: readonly number[] | undefined): readonly number[] {
  const missing = wanted?.find((partition) => partition >= count);
  if (missing !== undefined) throw partitionNotFound(topic, missing, count);
  return wanted === undefined ? Array.from({ length: count }, (_, at) => at) : [...new Set(wanted)];
}
