import type { Frame } from "../broker/types.js";
import type { RecordBatch } from "../wire/messages.js";

/** A stored batch as it is sent: the header, its place, and the same bytes. */
export const batchMessage = ({ batch, baseOffset, term, body }: Frame): RecordBatch => ({
  baseOffset,
  term,
  baseTimestampMs: batch.baseTimestampMs,
  maxTimestampMs: batch.maxTimestampMs,
  recordCount: batch.recordCount,
  compression: batch.compression,
  uncompressedBytes: batch.uncompressedBytes,
  producerId: batch.producerId,
  producerEpoch: batch.producerEpoch,
  baseSequence: batch.baseSequence,
  priority: batch.priority,
  crc32: batch.crc32,
  body,
});
