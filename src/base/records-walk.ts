/** What can be said of a serialized `Records` without decoding a record. */
export interface RecordsWalk {
  readonly records: number;
  /** Bytes of the largest encoded record, and the first record that has as many, from 0. */
  readonly largestBytes: number;
  readonly largest: number;
}

const RECORDS_FIELD = 1;

/**
 * Steps over the top level of a serialized `Records` message (records.proto): one varint pair per record, nothing
 * inside one is looked at. Unknown fields are stepped over, as protobuf wants.
 *
 * @returns undefined when the bytes are not such a message
 */
export function walkRecords(body: Uint8Array): RecordsWalk | undefined {
  let records = 0;
  let largestBytes = 0;
  let largest = 0;
  let at = 0;
  while (at < body.length) {
    const tag = varint(body, at);
    if (tag < 0) return undefined;
    at = end;
    const wireType = tag % 8;
    const field = Math.floor(tag / 8);
    if (field === 0) return undefined;
    if (wireType === 2) {
      const length = varint(body, at);
      if (length < 0 || length > body.length - end) return undefined;
      at = end + length;
      if (field === RECORDS_FIELD) {
        if (length > largestBytes) {
          largestBytes = length;
          largest = records;
        }
        records += 1;
      }
      continue;
    }
    // A known field in another wire type is not a `Records`; a generated decoder would drop it silently.
    if (field === RECORDS_FIELD) return undefined;
    if (wireType === 0) {
      if (varint(body, at) < 0) return undefined;
      at = end;
    } else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else return undefined;
  }
  return at === body.length ? { records, largestBytes, largest } : undefined;
}

/** Where the varint read last ended; a second result without an object per record. */
let end = 0;

/** The varint at `at`, or -1 when it is cut off or longer than ten bytes. Above 2^53 it is rounded, which no length may be. */
function varint(bytes: Uint8Array, at: number): number {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return -1;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      end = at + i + 1;
      return value;
    }
    scale *= 128;
  }
  return -1;
}
