import { assert, assertSafeInteger } from "./assert.js";
import { QuireError } from "./errors.js";
import { type Offset, offset } from "./ids.js";

/** One thing that a `progress` entry says of a consumer group; what becomes of it is decided when it is applied. */
export type ProgressLine =
  /** An owner of this generation begins: older ones commit no more. What is known in generation `since` or an older one is of a former group of the name. */
  | { readonly kind: "claim"; readonly group: string; readonly generation: number; readonly since: number }
  /** Everything below `offset` is processed. */
  | { readonly kind: "commit"; readonly group: string; readonly generation: number; readonly offset: Offset }
  /** The group goes on at `offset`, which may be lower. */
  | { readonly kind: "reset"; readonly group: string; readonly generation: number; readonly offset: Offset }
  /** The group is gone, if nothing newer than `generation` is known of it. */
  | { readonly kind: "forget"; readonly group: string; readonly generation: number };

export interface ProgressEntry {
  /** Milliseconds since 1970, by the clock of the leader that proposed it. */
  readonly nowMs: number;
  readonly lines: readonly ProgressLine[];
}

const VERSION = 1;
const Kind = { claim: 1, commit: 2, reset: 3, forget: 4 } as const;
const HEAD_BYTES = 1 + 8;
/** Kind, length of the name, generation, and an offset or another generation. */
const LINE_BYTES = 1 + 1 + 8 + 8;

/** What a line takes in the body of an entry. */
export const progressLineBytes = ({ group }: ProgressLine): number => LINE_BYTES + group.length;

/** The body of a `progress` entry: version u8, time, then the lines; a line is its kind u8, the name's length u8, the name (ASCII) and two numbers. int64 little endian. */
export function encodeProgressEntry({ nowMs, lines }: ProgressEntry): Buffer {
  const body = Buffer.allocUnsafe(lines.reduce((bytes, line) => bytes + progressLineBytes(line), HEAD_BYTES));
  body[0] = VERSION;
  let at = writeInt64(body, 1, nowMs);
  for (const line of lines) {
    const { length } = line.group;
    assert(length > 0 && length <= 0xff, "the name of a group fits into a progress entry");
    body[at] = Kind[line.kind];
    body[at + 1] = length;
    assert(body.write(line.group, at + 2, "latin1") === length, "the name of a group is written whole");
    at = writeInt64(body, at + 2 + length, line.generation);
    at = writeInt64(body, at, numberOf(line));
  }
  return body;
}

/** @throws QuireError UNSUPPORTED for what only a newer version writes */
export function decodeProgressEntry(body: Buffer): ProgressEntry {
  assert(body.length >= HEAD_BYTES, "a progress entry has a head");
  if (body[0] !== VERSION) throw newer(`a progress entry has version ${body[0]}`);
  const lines: ProgressLine[] = [];
  for (let at = HEAD_BYTES; at < body.length; ) {
    const length = body[at + 1] ?? 0;
    const end = at + LINE_BYTES + length;
    assert(length > 0 && end <= body.length, "a line of a progress entry is whole");
    lines.push(readLine(body[at] ?? 0, body.toString("latin1", at + 2, at + 2 + length), readInt64(body, end - 16), readInt64(body, end - 8)));
    at = end;
  }
  return { nowMs: readInt64(body, 1), lines };
}

const numberOf = (line: ProgressLine): number => (line.kind === "claim" ? line.since : line.kind === "forget" ? 0 : line.offset);

function readLine(kind: number, group: string, generation: number, number: number): ProgressLine {
  switch (kind) {
    case Kind.claim:
      return { kind: "claim", group, generation, since: number };
    case Kind.commit:
      return { kind: "commit", group, generation, offset: offset(number) };
    case Kind.reset:
      return { kind: "reset", group, generation, offset: offset(number) };
    case Kind.forget:
      return { kind: "forget", group, generation };
    default:
      throw newer(`a progress entry has a line of kind ${kind}`);
  }
}

const newer = (what: string): QuireError => new QuireError("UNSUPPORTED", `${what}, which this broker does not know; run the version that wrote it`);

const writeInt64 = (into: Buffer, at: number, value: number): number =>
  into.writeBigInt64LE(BigInt(assertSafeInteger(value, "number in a progress entry")), at);
const readInt64 = (from: Buffer, at: number): number => assertSafeInteger(Number(from.readBigInt64LE(at)), "number in a progress entry");
