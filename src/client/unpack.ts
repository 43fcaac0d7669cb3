/** Bodies of received batches, uncompressed: the next one meanwhile, while the consumer works at the one before. */
import { crc32 } from "node:zlib";
import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { Compression } from "../base/record-batch.js";
import type { RecordBatch } from "../wire/messages.js";
import { codecName, loadCodec } from "./codecs.js";

/** A body in the clear, or why there is none: told when the batch is iterated, so that those after it can be read. */
export type Body = Buffer | QuireError;

/** Of one reading. It holds one body beyond the consumer's: at most `limits.uncompressedBytes`, whatever comes. */
export class Unpacker {
  readonly #topic: string;
  #ahead: { readonly batch: RecordBatch; readonly body: Promise<Body> } | undefined;

  constructor(topic: string) {
    this.#topic = topic;
  }

  /** Never rejects. @param next what will be asked for next, if it is known */
  body(of: Place, next: Place | undefined): Body | Promise<Body> {
    const ahead = this.#ahead?.batch === of.batch ? this.#ahead.body : undefined;
    this.#ahead = next === undefined || next.batch.compression === Compression.none ? undefined : { batch: next.batch, body: this.#uncompress(next) };
    return of.batch.compression === Compression.none ? this.#intact(of) : (ahead ?? this.#uncompress(of));
  }

  #intact({ partition, batch }: Place): Body {
    if (batch.crc32 === undefined || crc32(batch.body) === batch.crc32) return batch.body;
    return new QuireError("CORRUPT_BATCH", `${this.#name(partition, batch)} has another checksum than it was written with`);
  }

  async #uncompress(of: Place): Promise<Body> {
    const { batch } = of;
    const name = this.#name(of.partition, batch);
    const codec = codecName(batch.compression);
    if (codec === undefined) {
      return new QuireError("UNSUPPORTED", `${name} has compression ${batch.compression}, which this version cannot read; it reads none, gzip, lz4 and zstd`, {
        details: { compression: batch.compression },
      });
    }
    const intact = this.#intact(of);
    if (intact instanceof QuireError) return intact;
    const { uncompressedBytes } = batch;
    if (uncompressedBytes < 1 || uncompressedBytes > limits.uncompressedBytes) {
      return new QuireError("CORRUPT_BATCH", `${name} states ${uncompressedBytes} bytes before compression; it must be 1 to ${limits.uncompressedBytes}`);
    }
    try {
      const body = await (await loadCodec(codec)).uncompress(intact, uncompressedBytes);
      if (body.length === uncompressedBytes) return body;
      return new QuireError("CORRUPT_BATCH", `${name} states ${uncompressedBytes} bytes before compression and holds ${body.length}`);
    } catch (cause) {
      if (cause instanceof QuireError) return new QuireError(cause.reason, `${name} cannot be read: ${cause.message}`, { cause });
      const why = cause instanceof Error ? cause.message : String(cause);
      return new QuireError("CORRUPT_BATCH", `${name} is not ${uncompressedBytes} bytes compressed with ${codec}: ${why}`, { cause });
    }
  }

  #name(partition: number, { baseOffset }: RecordBatch): string {
    return `the batch at offset ${baseOffset} of ${this.#topic}/${partition}`;
  }
}

interface Place {
  readonly partition: number;
  readonly batch: RecordBatch;
}
