/**
 * How bodies of batches become smaller and come back. Both ways run in libuv's threads: a body of 1 MiB takes milliseconds, which the event loop
 * shall not stand still for.
 */
import zlib from "node:zlib";
import { QuireError } from "../base/errors.js";
import { limits, MIB } from "../base/limits.js";
import { Compression, type CompressionName } from "../base/record-batch.js";
import { lz4FrameBytes } from "./lz4-frame.js";

export interface Codec {
  compress(body: Buffer): Promise<Buffer>;
  /**
   * Never makes more than `bytesMax`, whatever the body says of itself. Of a body that was cut, Node's zstd gives what there is, and LZ4 without
   * checksums of its own gives something of one that was damaged: look at the length, and at the batch's checksum before.
   *
   * @throws any Error when the body is not of this codec, is damaged, or would become larger
   */
  uncompress(body: Buffer, bytesMax: number): Promise<Buffer>;
}

export type CodecName = Exclude<CompressionName, "none">;

const byCode: Readonly<Record<number, CodecName>> = { [Compression.gzip]: "gzip", [Compression.lz4]: "lz4", [Compression.zstd]: "zstd" };

/** Undefined for a number that this version does not know. */
export const codecName = (code: number): CodecName | undefined => byCode[code];

/** @throws QuireError UNSUPPORTED when this runtime has no such codec */
export function loadCodec(name: CodecName): Promise<Codec> {
  switch (name) {
    case "gzip":
      return Promise.resolve(gzip);
    case "lz4":
      return loadLz4();
    case "zstd":
      return Promise.resolve(loadZstd());
  }
}

type Zip = (body: Buffer, options: object, done: (error: Error | null, result: Buffer) => void) => void;

const zip = (by: Zip, body: Buffer, options: object): Promise<Buffer> =>
  new Promise((resolve, reject) => by(body, options, (error, result) => (error === null ? resolve(result) : reject(error))));

const CHUNK_BYTES_MIN = 64;
/** Output comes in pieces of this size, each a way to another thread and back: one piece for what is expected, within reason. */
const chunkFor = (bytes: number): number => Math.min(Math.max(bytes, CHUNK_BYTES_MIN), 4 * MIB);
/** One byte more than there may be, or zlib asks for another piece to find that nothing is left. */
const boundedBy = (bytesMax: number): object => ({ maxOutputLength: bytesMax, chunkSize: chunkFor(bytesMax + 1) });

/** Nine tenths of what level 6 saves, in less than half of the time. */
const GZIP_LEVEL = 3;

const gzip: Codec = {
  compress: (body) => zip(zlib.gzip, body, { level: GZIP_LEVEL, chunkSize: chunkFor(body.length / 2) }),
  uncompress: (body, bytesMax) => zip(zlib.gunzip, body, boundedBy(bytesMax)),
};

/** In `node:zlib` from Node 22.15 on. */
interface ZstdZlib {
  readonly zstdCompress: Zip;
  readonly zstdDecompress: Zip;
}

/** `ZSTD_d_windowLogMax` of zstd.h. */
const ZSTD_WINDOW_LOG_MAX = 100;

function loadZstd(): Codec {
  const { zstdCompress, zstdDecompress } = zlib as unknown as Partial<ZstdZlib>;
  if (zstdCompress === undefined || zstdDecompress === undefined) {
    throw new QuireError("UNSUPPORTED", `Node ${process.versions.node} has no zstd; use Node 22.15 or later, or compression gzip or lz4`);
  }
  // A frame may ask for a window far beyond what it holds.
  const windowLogMax = { [ZSTD_WINDOW_LOG_MAX]: Math.log2(limits.uncompressedBytes) };
  return {
    compress: (body) => zip(zstdCompress, body, { chunkSize: chunkFor(body.length / 2) }),
    uncompress: (body, bytesMax) => zip(zstdDecompress, body, { ...boundedBy(bytesMax), params: windowLogMax }),
  };
}

let lz4: Promise<Codec> | undefined;

/** Loaded when first needed: it is native, and whoever does not use it shall not depend on there being a build for his machine. */
function loadLz4(): Promise<Codec> {
  lz4 ??= importLz4();
  return lz4;
}

async function importLz4(): Promise<Codec> {
  let native: typeof import("lz4-napi");
  try {
    native = await import("lz4-napi");
  } catch (cause) {
    throw new QuireError("UNSUPPORTED", `lz4 cannot be loaded: lz4-napi has no build for ${process.platform} ${process.arch}, or it is not installed`, {
      cause,
    });
  }
  return {
    compress: (body) => native.compressFrame(body),
    uncompress: async (body, bytesMax) => {
      // The library has no bound of its own.
      const bytes = lz4FrameBytes(body, bytesMax);
      if (bytes === undefined) throw new Error("not a whole LZ4 frame");
      if (bytes > bytesMax) throw new RangeError(`holds more than ${bytesMax} bytes`);
      return native.decompressFrame(body);
    },
  };
}
