import { crc32 } from "node:zlib";
import type { RecordBatchHeader } from "../../src/base/record-batch.js";
import type { OfferedBatch } from "../../src/broker/types.js";
import { RecordsEncoder } from "../../src/wire/records-codec.js";

export const BASE_TIMESTAMP_MS = 1_700_000_000_000;

/** A valid batch of these values, with whatever is to be different. */
export function batchOf(values: readonly string[], change: Partial<OfferedBatch> = {}): OfferedBatch {
  const encoder = new RecordsEncoder();
  for (const value of values) encoder.append(undefined, value, 0);
  const body = encoder.take();
  return {
    recordCount: values.length,
    compression: 0,
    baseTimestampMs: BASE_TIMESTAMP_MS,
    maxTimestampMs: BASE_TIMESTAMP_MS,
    producerId: 0,
    producerEpoch: 0,
    baseSequence: 0,
    priority: 0,
    crc32: crc32(body),
    uncompressedBytes: body.length,
    body,
    ...change,
  };
}

export const headerOf = ({ body: _, ...header }: OfferedBatch): RecordBatchHeader => header as RecordBatchHeader;
