import { assert } from "../../../src/base/assert.js";
import type { Actor } from "../kernel/event-queue.js";
import { FRAME_BYTES, type Frame, type StreamFrame } from "./frames.js";
import type { Link, Medium } from "./link.js";
import { Pipe, type PipeEnd } from "./pipe.js";
import { kernelOf, type NetworkProcess } from "./seam.js";

/** `dropped`: given up by this side. `reset`: found broken. `destroyed`: by the server, which said so. */
export type EndReason = "dropped" | "reset" | "destroyed";

/** One side of one call. */
export interface StreamEnd {
  /** True when code of the process ran. */
  received(frame: StreamFrame): boolean;
  /** The connection is gone, and nothing more will come. */
  dropped(why: EndReason): void;
}

export type HeadersFrame = Extract<Frame, { readonly kind: "headers" }>;

/** The channel, or the server, that a side of a connection belongs to. */
export interface EndpointOwner {
  onHeaders(endpoint: Endpoint, frame: HeadersFrame): boolean;
  onGoAway(endpoint: Endpoint): void;
  onPong(endpoint: Endpoint): void;
  /** After all its streams were told. */
  onClosed(endpoint: Endpoint): void;
}

/** One side of a connection, and its streams. */
export class Endpoint implements PipeEnd {
  readonly process: NetworkProcess;
  readonly kernel: Actor;
  /** Those that began and have not ended here. */
  readonly streams = new Map<number, StreamEnd>();
  readonly #medium: Medium;
  readonly #owner: EndpointOwner;
  readonly #ofProcess: Set<Endpoint>;
  #out: Pipe | undefined;
  #in: Pipe | undefined;
  #state: "open" | "closed" | "gone" = "open";
  #closing = false;
  #receivedWhileGone = false;
  #nextStream = 1;
  #other: Endpoint | undefined;

  /** It is one of `ofProcess` while it is open, and after a loss of power. */
  constructor(process: NetworkProcess, medium: Medium, owner: EndpointOwner, ofProcess: Set<Endpoint>) {
    this.process = process;
    this.kernel = kernelOf(process);
    this.#medium = medium;
    this.#owner = owner;
    this.#ofProcess = ofProcess;
    ofProcess.add(this);
  }

  /** Both sides of a new connection. `there` and `back` are the links from the client's host and to it. */
  static connect(medium: Medium, client: Endpoint, server: Endpoint, there: Link, back: Link): void {
    const request = new Pipe(medium, there, false, server, () => client.breakAfter(0));
    const response = new Pipe(medium, back, true, client, () => server.breakAfter(0));
    client.#out = request;
    client.#in = response;
    server.#out = response;
    server.#in = request;
    client.#other = server;
    server.#other = client;
  }

  /** The other side, for faults that both sides must see. */
  get other(): Endpoint | undefined {
    return this.#other;
  }

  get state(): "open" | "closed" | "gone" {
    return this.#state;
  }

  /** No new streams: this side waits for the last one and closes. */
  get isClosing(): boolean {
    return this.#closing;
  }

  openStream(end: StreamEnd): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.streams.set(stream, end);
    return stream;
  }

  /** Counts as an act of the process when `bytes` are given: a message, or the beginning of a call. */
  send(frame: Frame, bytes = 0): void {
    if (this.#state !== "open") return;
    const out = this.#pipe();
    if (bytes === 0) {
      if (this.process.isAlive) out.send(frame, FRAME_BYTES);
    } else this.process.act(() => out.send(frame, bytes));
  }

  received(frame: Frame): boolean {
    switch (frame.kind) {
      case "headers":
        return this.#owner.onHeaders(this, frame);
      case "go-away":
        this.#owner.onGoAway(this);
        return true;
      case "ping":
        this.send({ kind: "pong" });
        return false;
      case "pong":
        this.#owner.onPong(this);
        return false;
      case "finish":
        this.#break("dropped");
        return true;
      case "reset":
        this.#break("reset");
        return true;
      case "destroy":
        this.#break("destroyed");
        return true;
      default:
        return this.streams.get(frame.stream)?.received(frame) ?? false;
    }
  }

  receivedInVain(isReset: boolean): void {
    if (this.#state === "gone") this.#receivedWhileGone = true;
    else if (!isReset) this.#pipe().send({ kind: "reset" }, FRAME_BYTES);
  }

  /** A stream ended here. */
  forget(stream: number): void {
    this.streams.delete(stream);
    if (this.#closing) this.#closeIfIdle();
  }

  /** Politely: after the last stream. */
  closeWhenIdle(): void {
    this.#closing = true;
    this.#closeIfIdle();
  }

  /** At once, by this process; what the other side sees. */
  cut(seen: "reset" | "destroy"): void {
    if (this.#state !== "open") return;
    this.send({ kind: seen });
    this.#break("dropped");
  }

  /** A fault, or too long a silence, ends it on this side; the other side finds out when it says something. */
  breakAfter(delayMs: number): void {
    this.#medium.world.after(delayMs, "connection breaks", () => this.process.enter(() => this.#break("reset")), this.kernel);
  }

  /** Its process died. Killed, its operating system says so; without power nobody does, before the machine runs again. */
  died(death: "kill" | "power"): void {
    if (this.#state !== "open") return;
    this.#in?.clear();
    this.streams.clear();
    if (death === "power") {
      this.#state = "gone";
      this.#pipe().clear();
      return;
    }
    this.#state = "closed";
    this.#resetLater();
  }

  /** The machine runs again, and knows nothing of this connection: who repeats what was not acknowledged is told so. */
  machineIsBack(): void {
    if (this.#state !== "gone") return;
    this.#state = "closed";
    if (this.#receivedWhileGone) this.#resetLater();
  }

  #resetLater(): void {
    const delayMs = this.#medium.draw(this.#medium.options.endSeenAfterMs);
    this.#medium.world.after(delayMs, "end seen", () => {
      if (this.#state === "closed") this.#pipe().send({ kind: "reset" }, FRAME_BYTES);
    });
  }

  #closeIfIdle(): void {
    if (this.#state !== "open" || this.streams.size > 0) return;
    this.send({ kind: "finish" });
    this.#break("dropped");
  }

  #break(why: EndReason): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#ofProcess.delete(this);
    this.#in?.clear();
    const ends = [...this.streams.values()];
    this.streams.clear();
    for (const end of ends) end.dropped(why);
    this.#owner.onClosed(this);
  }

  #pipe(): Pipe {
    assert(this.#out !== undefined, "an endpoint is used once it is connected");
    return this.#out;
  }
}
