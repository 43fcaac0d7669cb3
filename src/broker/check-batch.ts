import { crc32 } from "node:zlib";
import { QuireError, type Reason } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { Compression, type CompressionCode, type RecordBatchHeader } from "../base/record-batch.js";
import { walkRecords } from "../base/records-walk.js";
import type { OfferedBatch } from "./types.js";

export interface BatchLimits {
  readonly recordBytesMax: number;
  /** The smaller one of the broker's and the topic's. */
  readonly batchBytesMax: number;
}

/**
 * Checks a batch without decoding a record of it, and fills in what was left out.
 *
 * @throws QuireError BATCH_TOO_LARGE, RECORD_TOO_LARGE, CORRUPT_BATCH, INVALID_FIELD, UNSUPPORTED
 */
export function checkBatch(batch: OfferedBatch, { recordBytesMax, batchBytesMax }: BatchLimits): RecordBatchHeader {
  const bytes = batch.body.length;
  if (bytes > batchBytesMax) {
    refuse(
      "BATCH_TOO_LARGE",
      "records",
      `batch is ${bytes} bytes; the limit is ${batchBytesMax} (produce.batchBytesMax, or the topic's batch_bytes_max); send smaller batches`,
      {
        bytes,
        limit: batchBytesMax,
      },
    );
  }
  if (bytes === 0) refuse("CORRUPT_BATCH", "records", "batch has no bytes; send at least one record");
  const { recordCount } = batch;
  if (!whole(recordCount, 1, limits.batchRecords)) {
    refuse("CORRUPT_BATCH", "record_count", `record_count is ${recordCount}; it must be 1 to ${limits.batchRecords}`, { recordCount });
  }
  const compression = checkCompression(batch.compression);
  const uncompressedBytes = checkBody(batch, compression, recordBytesMax);
  const computed = crc32(batch.body);
  if (batch.crc32 !== undefined && batch.crc32 !== computed) {
    refuse(
      "CORRUPT_BATCH",
      "crc32",
      `crc32 is ${batch.crc32}; that of the ${bytes} bytes received is ${computed}: the batch was damaged or the checksum is not CRC-32`,
      {
        stated: batch.crc32,
        computed,
      },
    );
  }
  const { baseTimestampMs, maxTimestampMs, producerId, producerEpoch, baseSequence, priority } = checkHeader(batch);
  return {
    recordCount,
    compression,
    baseTimestampMs,
    maxTimestampMs,
    producerId,
    producerEpoch,
    baseSequence,
    priority,
    crc32: computed,
    uncompressedBytes,
  };
}

function checkCompression(code: number): CompressionCode {
  for (const known of Object.values(Compression)) if (known === code) return known;
  return refuse("UNSUPPORTED", "compression", `compression ${code} is not known to this broker; use 0 (none), 1 (gzip), 2 (lz4) or 3 (zstd)`, {
    compression: code,
  });
}

/** Returns the body's length before compression. */
function checkBody({ body, recordCount, uncompressedBytes }: OfferedBatch, compression: CompressionCode, recordBytesMax: number): number {
  if (compression !== Compression.none) {
    if (!whole(uncompressedBytes, 1, limits.uncompressedBytes)) {
      refuse(
        "CORRUPT_BATCH",
        "uncompressed_bytes",
        `uncompressed_bytes is ${uncompressedBytes} in a compressed batch; it must be 1 to ${limits.uncompressedBytes}`,
        { uncompressedBytes },
      );
    }
    return uncompressedBytes;
  }
  if (uncompressedBytes !== 0 && uncompressedBytes !== body.length) {
    refuse(
      "CORRUPT_BATCH",
      "uncompressed_bytes",
      `uncompressed_bytes is ${uncompressedBytes} and records has ${body.length} bytes, uncompressed; leave it out or make them equal`,
      {
        uncompressedBytes,
        bytes: body.length,
      },
    );
  }
  const walk = walkRecords(body);
  if (walk === undefined) return refuse("CORRUPT_BATCH", "records", `the batch's ${body.length} bytes are not a serialized quire.v1.Records`);
  if (walk.records !== recordCount) {
    refuse("CORRUPT_BATCH", "record_count", `record_count is ${recordCount} and records holds ${walk.records}; make them equal`, {
      recordCount,
      found: walk.records,
    });
  }
  if (walk.largestBytes > recordBytesMax) {
    refuse(
      "RECORD_TOO_LARGE",
      "records",
      `a record is ${walk.largestBytes} bytes; the limit is ${recordBytesMax} (produce.recordBytesMax); store large values elsewhere and send where`,
      {
        bytes: walk.largestBytes,
        limit: recordBytesMax,
      },
    );
  }
  return body.length;
}

function checkHeader(batch: OfferedBatch): Omit<RecordBatchHeader, "recordCount" | "compression" | "crc32" | "uncompressedBytes"> {
  const baseTimestampMs = inRange(batch, "baseTimestampMs", "base_timestamp_ms", limits.timestampMsMax);
  const maxTimestampMs = inRange(batch, "maxTimestampMs", "max_timestamp_ms", limits.timestampMsMax);
  if (maxTimestampMs !== 0 && maxTimestampMs < baseTimestampMs) {
    refuse(
      "INVALID_FIELD",
      "max_timestamp_ms",
      `max_timestamp_ms ${maxTimestampMs} is before base_timestamp_ms ${baseTimestampMs}; leave it out or make it the largest of the batch`,
      {
        maxTimestampMs,
        baseTimestampMs,
      },
    );
  }
  const producerId = inRange(batch, "producerId", "producer_id", Number.MAX_SAFE_INTEGER);
  const producerEpoch = inRange(batch, "producerEpoch", "producer_epoch", limits.sequenceMax);
  const baseSequence = inRange(batch, "baseSequence", "base_sequence", limits.sequenceMax);
  if (producerId === 0 && (producerEpoch !== 0 || baseSequence !== 0)) {
    refuse("INVALID_FIELD", "producer_id", "producer_epoch or base_sequence is set without a producer_id; set it, or leave all three out");
  }
  const sequenceEnd = baseSequence + batch.recordCount;
  if (producerId !== 0 && sequenceEnd > limits.sequenceMax) {
    refuse(
      "INVALID_FIELD",
      "base_sequence",
      `base_sequence ${baseSequence} and ${batch.recordCount} records end at ${sequenceEnd}; sequences end at ${limits.sequenceMax}: begin a new epoch at sequence 0`,
      { value: baseSequence, limit: limits.sequenceMax },
    );
  }
  const priority = inRange(batch, "priority", "priority", 255);
  return { baseTimestampMs, maxTimestampMs: Math.max(maxTimestampMs, baseTimestampMs), producerId, producerEpoch, baseSequence, priority };
}

type NumberField = "baseTimestampMs" | "maxTimestampMs" | "producerId" | "producerEpoch" | "baseSequence" | "priority";

function inRange(batch: OfferedBatch, key: NumberField, field: string, max: number): number {
  const value = batch[key];
  if (!whole(value, 0, max)) refuse("INVALID_FIELD", field, `${field} is ${value}; it must be a whole number from 0 to ${max}`, { value, limit: max });
  return value;
}

const whole = (value: number, min: number, max: number): boolean => Number.isSafeInteger(value) && value >= min && value <= max;

function refuse(reason: Reason, field: string, message: string, details: Record<string, number> = {}): never {
  throw new QuireError(reason, message, { details, fields: [{ field: `batch.${field}`, description: message }] });
}
