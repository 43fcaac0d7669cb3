import { crc32 } from "node:zlib";

/** How a batch's body is compressed; the numbers are the ones on the wire and on disk. */
export const Compression = { none: 0, gzip: 1, lz4: 2, zstd: 3 } as const;
export type CompressionName = keyof typeof Compression;
export type CompressionCode = (typeof Compression)[CompressionName];

/** When a produce is answered; the numbers are the ones on the wire. `quorum` is the default. */
export const Acks = { quorum: 0, leader: 1, none: 2 } as const;
export type AcksName = keyof typeof Acks;

/** What is known of a batch before a partition's leader gave it a place. The body is never decoded by a broker. */
export interface RecordBatchHeader {
  /** 1 to `limits.batchRecords`. */
  readonly recordCount: number;
  readonly compression: CompressionCode;
  /** Milliseconds since 1970; records hold deltas to it. */
  readonly baseTimestampMs: number;
  /** The largest record timestamp in the batch. */
  readonly maxTimestampMs: number;
  /** 0 when the producer is not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** 0 is normal; lanes come with queue delivery. */
  readonly priority: number;
  /** CRC-32 (zlib) of the body. */
  readonly crc32: number;
  /** Bytes of the body before compression; equal to the body's length when it is not compressed. */
  readonly uncompressedBytes: number;
}

/** What is said of an uncompressed body: nothing of a producer, the normal lane. Without `about`, of an entry that carries no records. */
export const plainHeader = (
  body: Uint8Array,
  about: Pick<RecordBatchHeader, "recordCount" | "baseTimestampMs" | "maxTimestampMs"> = { recordCount: 0, baseTimestampMs: 0, maxTimestampMs: 0 },
): RecordBatchHeader => ({
  recordCount: about.recordCount,
  baseTimestampMs: about.baseTimestampMs,
  maxTimestampMs: about.maxTimestampMs,
  compression: Compression.none,
  producerId: 0,
  producerEpoch: 0,
  baseSequence: 0,
  priority: 0,
  crc32: crc32(body),
  uncompressedBytes: body.length,
});

/**
 * A header with its body, and perhaps another producer's numbers. Each field is named, as wherever something is made for each batch: what is made by spreading
 * gets a hidden class of its own, which costs microseconds here and in whatever reads it.
 */
export const withBody = (
  header: RecordBatchHeader,
  body: Buffer,
  { producerId, producerEpoch, baseSequence }: Pick<RecordBatchHeader, "producerId" | "producerEpoch" | "baseSequence"> = header,
): RecordBatchHeader & { readonly body: Buffer } => ({
  recordCount: header.recordCount,
  compression: header.compression,
  baseTimestampMs: header.baseTimestampMs,
  maxTimestampMs: header.maxTimestampMs,
  producerId,
  producerEpoch,
  baseSequence,
  priority: header.priority,
  crc32: header.crc32,
  uncompressedBytes: header.uncompressedBytes,
  body,
});
