import type * as grpc from "@grpc/grpc-js";
import { QuireError } from "../base/errors.js";
import type { Clock, Timer } from "../base/ports.js";
import type { ReplicaEnvelope } from "../replica/types.js";
import { toServiceError } from "../wire/status.js";
import { decodePeerMessage, encodePeerMessage, type Hello, type IncomingMessage } from "./peer-codec.js";
import type { StreamKind } from "./peer-protocol.js";
import { SnapshotAssembler } from "./peer-snapshots.js";

const ANSWER = Buffer.alloc(0);
/** Answers to heartbeats that wait for the connection; a peer that does not read them gets no more. */
const ANSWERS_WAITING_MAX = 32;

export type IncomingCall = grpc.ServerDuplexStream<Buffer, Uint8Array>;

/** What a peer says of itself. */
export type Told = Pick<IncomingMessage, "leaderships" | "diskRoom">;

/** What an incoming stream tells. */
export interface IncomingStreamOwner {
  /** Once, first; the peer's Hello is in `stream.hello`. Returns this broker's, or throws the refusal. */
  onHello(stream: IncomingStream, hello: Hello): Hello;
  /** After `onHello`. All may be missing: a heartbeat. */
  onMessage(stream: IncomingStream, envelopes: readonly ReplicaEnvelope[], told: Told): void;
  /** Bytes that no broker sends; the stream is cut. */
  onGarbage(stream: IncomingStream, error: unknown): void;
  /** Once, last, whatever the reason. */
  onClosed(stream: IncomingStream): void;
}

/** One stream that a peer opened to this broker, from its Hello to its end. */
export class IncomingStream {
  readonly kind: StreamKind;
  /** The peer's Hello, once it came. */
  hello: Hello | undefined;
  readonly #call: IncomingCall;
  readonly #owner: IncomingStreamOwner;
  readonly #handshake: Timer;
  #closed = false;
  #answersWaiting = 0;
  readonly #snapshots = new SnapshotAssembler();

  constructor(kind: StreamKind, call: IncomingCall, owner: IncomingStreamOwner, clock: Clock, handshakeMs: number) {
    this.kind = kind;
    this.#call = call;
    this.#owner = owner;
    this.#handshake = clock.after(handshakeMs, () => this.refuse(new QuireError("DEADLINE", `no Hello came within ${handshakeMs} ms`)));
    call.on("data", (bytes: Buffer) => this.#received(bytes));
    for (const event of ["cancelled", "end", "error", "close"]) call.on(event, () => this.#ended());
  }

  /** Ends the stream with a reason that the peer can read. */
  refuse(error: QuireError): void {
    if (this.#closed) return;
    this.#call.emit("error", toServiceError(error));
    this.#ended();
  }

  #received(bytes: Buffer): void {
    if (this.#closed) return;
    let message: IncomingMessage;
    const envelopes: ReplicaEnvelope[] = [];
    try {
      message = decodePeerMessage(bytes);
      if ((message.hello === undefined) !== (this.hello !== undefined)) throw new QuireError("INVALID_FIELD", "a stream begins with its only Hello");
      for (const envelope of message.envelopes) {
        const whole = "part" in envelope ? this.#snapshots.accept(envelope) : envelope;
        if (whole !== undefined) envelopes.push(whole);
      }
    } catch (thrown) {
      this.#owner.onGarbage(this, thrown);
      this.refuse(new QuireError("INVALID_FIELD", "these bytes are not of a broker of this protocol version", { cause: thrown }));
      return;
    }
    if (message.hello !== undefined) this.#receivedHello(message.hello);
    else this.#owner.onMessage(this, envelopes, message);
    if (bytes.length === 0) this.#answer();
  }

  #receivedHello(hello: Hello): void {
    this.#handshake.cancel();
    this.hello = hello;
    let answer: Hello;
    try {
      answer = this.#owner.onHello(this, hello);
    } catch (thrown) {
      if (!(thrown instanceof QuireError)) throw thrown;
      this.refuse(thrown);
      return;
    }
    if (!this.#closed) this.#call.write(encodePeerMessage({ hello: answer }));
  }

  #answer(): void {
    if (this.#closed || this.#answersWaiting >= ANSWERS_WAITING_MAX) return;
    this.#answersWaiting += 1;
    this.#call.write(ANSWER, () => {
      this.#answersWaiting -= 1;
    });
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handshake.cancel();
    this.#call.end();
    this.#owner.onClosed(this);
  }
}
