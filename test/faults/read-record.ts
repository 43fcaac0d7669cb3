import type { ReceivedRecord } from "../../src/client/index.js";

export interface ReadRecord {
  readonly offset: number;
  /** As the record says; -1 when it says nothing. */
  readonly number: number;
  readonly key: string;
  readonly bytes: Buffer;
}

export function readRecord(record: ReceivedRecord<Uint8Array>): ReadRecord {
  const number = record.headers.find((header) => header.key === "number")?.value.toString() ?? "-1";
  return { offset: record.offset, number: Number(number), key: record.key ?? "", bytes: record.valueBytes ?? Buffer.alloc(0) };
}
