import { plainHeader, type RecordBatchHeader } from "../../src/base/record-batch.js";
import type { OfferedBatch } from "../../src/broker/types.js";
import { RecordsEncoder } from "../../src/wire/records-codec.js";

export const BASE_TIMESTAMP_MS = 1_700_000_000_000;

/** A valid batch of these values, with whatever is to be different. */
export function batchOf(values: readonly string[], change: Partial<OfferedBatch> = {}): OfferedBatch {
  const encoder = new RecordsEncoder();
  for (const value of values) encoder.append(undefined, value, 0);
  const body = encoder.take();
  return {
    ...plainHeader(body, { recordCount: values.length, baseTimestampMs: BASE_TIMESTAMP_MS, maxTimestampMs: BASE_TIMESTAMP_MS }),
    body,
    ...change,
  };
}

export const headerOf = ({ body: _, ...header }: OfferedBatch): RecordBatchHeader => header as RecordBatchHeader;
