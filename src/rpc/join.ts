import { Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import { unreachable } from "../base/assert.js";
import type { QuireError } from "../base/errors.js";
import { KIB } from "../base/limits.js";
import type { Membership } from "../broker/groups/coordinator.js";
import type { MemberStream, Owned } from "../broker/groups/member-session.js";
import type { JoinEnter, JoinRequest, JoinResponse } from "../wire/group-messages.js";
import type { Init } from "../wire/messages.js";
import { toServiceError } from "../wire/status.js";
import { answerOf, type Edge } from "./edge.js";
import { enteredTwice, holdingOf, notEntered, parseEnter, strategyCode } from "./join-requests.js";
import { readOneAhead } from "./narrow-reads.js";
import { type LiveStream, type StreamSlots, shuttingDown } from "./slots.js";
import { StreamWriter } from "./stream-writer.js";
import { count, integer, refuseField } from "./validate.js";

type Call = ServerDuplexStream<JoinRequest, Init<JoinResponse>>;

/** What may wait for a slow member; beyond it only the newest assignment is kept. */
const WAITING_BYTES_MAX = 64 * KIB;
const CONTROL_BYTES = 64;
/** Three of them fit into a session timeout. */
const HEARTBEATS_PER_TIMEOUT = 3;
const HEARTBEAT_MS_MAX = 10_000;
/** What one member can own, and so hold; with room for what it is giving back. */
const HOLDING_MAX = 20_000;

/** Opens one Join stream. */
export function openJoin(edge: Edge, slots: StreamSlots, call: Call): void {
  try {
    new JoinStream(edge, slots, call);
  } catch (thrown) {
    call.emit("error", toServiceError(answerOf(thrown, edge)));
  }
}

/** One member's stream. Every heartbeat is answered, so that the member knows that its coordinator lives; else nothing is said while nothing changes. */
class JoinStream implements LiveStream, MemberStream {
  readonly address: string;
  readonly #edge: Edge;
  readonly #call: Call;
  readonly #writer: StreamWriter<Init<JoinResponse>>;
  readonly #release: () => void;
  #membership: Membership | undefined;
  /** Waits until the member reads. */
  #unsent: { readonly version: number; readonly partitions: readonly Owned[] } | undefined;

  constructor(edge: Edge, slots: StreamSlots, call: Call) {
    this.#edge = edge;
    this.#call = call;
    this.address = call.getPeer();
    this.#release = slots.open(this);
    readOneAhead(call);
    this.#writer = new StreamWriter(call, WAITING_BYTES_MAX, () => this.#writable());
    call.on("data", (message: JoinRequest) => this.#receive(message));
    call.on("end", () => this.end());
    call.on("error", () => this.#abandon());
    call.on("cancelled", () => this.#abandon());
    call.on("close", () => this.#abandon());
    // The client learns at once that the stream stands.
    call.sendMetadata(new Metadata());
  }

  /** The coordinator hands its groups over before; what is left has nowhere to be sent. */
  shutdown(): void {
    this.end(shuttingDown());
  }

  entered({ sessionTimeoutMs, strategy }: Parameters<MemberStream["entered"]>[0]): void {
    const heartbeatIntervalMs = Math.min(HEARTBEAT_MS_MAX, Math.floor(sessionTimeoutMs / HEARTBEATS_PER_TIMEOUT));
    const entered = { heartbeatIntervalMs, sessionTimeoutMs, strategy: strategyCode(strategy), coordinatorNodeId: this.#edge.view.self };
    this.#write({ step: "entered", entered }, CONTROL_BYTES);
  }

  assign(version: number, partitions: readonly Owned[]): void {
    this.#unsent = { version, partitions };
    this.#writable();
  }

  end(error?: QuireError): void {
    if (error === undefined) this.#writer.end();
    else this.#writer.fail(toServiceError(error));
    this.#abandon();
  }

  #receive(message: JoinRequest): void {
    try {
      this.#carryOut(message);
    } catch (thrown) {
      this.end(answerOf(thrown, this.#edge));
    }
  }

  #carryOut(message: JoinRequest): void {
    if (this.#writer.ended) return;
    if (message.step === "enter") return this.#enter(message.enter);
    const membership = this.#membership;
    if (message.step !== undefined && membership === undefined) throw notEntered();
    membership?.heard();
    switch (message.step) {
      case "heartbeat":
        if (this.#writer.writable) this.#write({ step: "heartbeat", heartbeat: {} }, CONTROL_BYTES);
        return;
      case "holding": {
        const version = integer(message.holding.version, "holding.version", 0, Number.MAX_SAFE_INTEGER);
        count(message.holding.partitions, "holding.partitions", 0, HOLDING_MAX);
        return membership?.holds(version, holdingOf(this.#edge.view, message.holding.partitions, "holding.partitions"));
      }
      case "leave":
        return membership?.leave();
      case undefined:
        return refuseField("step", "is missing or not known to this broker", "set one of enter, heartbeat, holding and leave");
      default:
        return unreachable(message);
    }
  }

  #enter(enter: JoinEnter): void {
    if (this.#membership !== undefined) throw enteredTwice();
    count(enter.holding, "enter.holding", 0, HOLDING_MAX);
    this.#membership = this.#edge.coordinator.enter(parseEnter(this.#edge.view, this.#edge.groups, enter), this);
  }

  #writable(): void {
    if (this.#writer.writable && this.#unsent !== undefined) {
      const assignment = this.#unsent;
      this.#unsent = undefined;
      const bytes = assignment.partitions.reduce((sum, { topic }) => sum + topic.length + 20, CONTROL_BYTES);
      this.#write({ step: "assignment", assignment }, bytes);
    }
    this.#readOrPause();
  }

  #write(message: Init<JoinResponse>, bytes: number): void {
    this.#writer.write(message, bytes);
    this.#readOrPause();
  }

  /** A member that does not read what it is told is not read either: its heartbeats no longer count. */
  #readOrPause(): void {
    const read = !this.#writer.ended && this.#writer.writable;
    if (read === !this.#call.isPaused()) return;
    if (read) this.#call.resume();
    else this.#call.pause();
  }

  #abandon(): void {
    this.#writer.abandon();
    this.#release();
    const membership = this.#membership;
    this.#membership = undefined;
    membership?.lost();
  }
}
