/** Makes closed batches smaller, a few at a time, in the order in which they were closed. */
import type { CompressionCode } from "../base/record-batch.js";
import type { Codec } from "./codecs.js";

/** Below it there is little to save, and a way to another thread and back costs more. */
export const COMPRESS_BYTES_MIN = 1_024;
/** Of libuv's four threads one is left for the program's files and names. Each gzip under way holds 0.3 MB. */
const UNDER_WAY_MAX = 3;

interface Task {
  readonly body: Buffer;
  /** Called once, later; with undefined when the body did not get smaller. */
  readonly done: (smaller: Buffer | undefined) => void;
}

export class Compressor {
  readonly code: CompressionCode;
  readonly #codec: Codec;
  /** No more than there are batches, which the send buffer bounds. */
  #waiting: Task[] = [];
  #underWay = 0;

  constructor(code: CompressionCode, codec: Codec) {
    this.code = code;
    this.#codec = codec;
  }

  compress(body: Buffer, done: Task["done"]): void {
    this.#waiting.push({ body, done });
    this.#next();
  }

  #next(): void {
    if (this.#underWay >= UNDER_WAY_MAX) return;
    const task = this.#waiting.shift();
    if (task === undefined) return;
    this.#underWay += 1;
    const ended = (smaller: Buffer | undefined): void => {
      this.#underWay -= 1;
      this.#next();
      task.done(smaller);
    };
    this.#codec.compress(task.body).then(
      (result) => ended(result.length < task.body.length ? result : undefined),
      // Out of memory, most likely: the batch is as good as it is.
      () => ended(undefined),
    );
  }
}
