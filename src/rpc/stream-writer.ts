import type { Writable } from "node:stream";
import type { ServiceError } from "@grpc/grpc-js";

/** The writing half of a gRPC call on the server. */
export type WritableCall = Pick<Writable, "write" | "end" | "emit" | "on">;

/**
 * Writes messages to one call and knows when to stop. A gRPC call on the server counts messages, not bytes (16 of them
 * before `write` returns false), which for megabyte messages is far too late; so bytes are counted here, from `write`
 * until HTTP/2 has taken them, which is what flow control by a slow reader delays.
 */
export class StreamWriter<Message> {
  readonly #call: WritableCall;
  readonly #bytesMax: number;
  readonly #onWritable: () => void;
  #bytes = 0;
  #full = false;
  #ended = false;

  /** `onWritable` is called whenever something was taken and more may be written, also when the writer was not full: its user may keep to less. */
  constructor(call: WritableCall, bytesMax: number, onWritable: () => void) {
    this.#call = call;
    this.#bytesMax = bytesMax;
    this.#onWritable = onWritable;
    call.on("drain", () => {
      this.#full = false;
      this.#wake();
    });
  }

  /** Whether more may be written. One message beyond the limit is taken, so that any message can be sent. */
  get writable(): boolean {
    return !this.#ended && !this.#full && this.#bytes < this.#bytesMax;
  }

  /** Written, and not yet taken by HTTP/2. */
  get bytes(): number {
    return this.#bytes;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** `bytes` is about what the message costs in memory. After the end nothing is written. */
  write(message: Message, bytes: number): void {
    if (this.#ended) return;
    this.#bytes += bytes;
    const more = this.#call.write(message, () => {
      this.#bytes -= bytes;
      this.#wake();
    });
    if (!more) this.#full = true;
  }

  /** Ends the call with OK, after what was written. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.end();
  }

  /** Ends the call with a status, after what was written. */
  fail(error: ServiceError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.emit("error", error);
  }

  /** The call is gone; nothing more is written. */
  abandon(): void {
    this.#ended = true;
  }

  #wake(): void {
    if (this.writable) this.#onWritable();
  }
}
