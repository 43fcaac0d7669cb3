/**
 * One member of one consumer group: enters at the coordinator, finds it when it has moved, enters again when the stream breaks, sends heartbeats, says
 * what is held, and leaves. It knows nothing of records. It may run in another thread than the consumer, so a consumer that is busy stays a member.
 */
import type * as grpc from "@grpc/grpc-js";
import { QuireError, toQuireError } from "../../base/errors.js";
import type { Clock, Random, Timer } from "../../base/ports.js";
import { openBidi } from "../../wire/call.js";
import type { JoinRequest, JoinResponse, OwnedPartitionMessage } from "../../wire/group-messages.js";
import type { Init } from "../../wire/messages.js";
import { groupService } from "../../wire/services.js";
import { fromGrpcError } from "../../wire/status.js";
import type { Connections } from "../connections.js";
import { abortable, pause } from "../ports.js";
import { retryDelayMs } from "../retry.js";
import { type FromHost, type MemberPlan, type MembershipOptions, toErrorMessage } from "./membership-messages.js";
import { ProgressWatch } from "./progress-cell.js";

export interface MembershipParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly connections: Connections;
  readonly options: MembershipOptions;
  /** Where brokers are, in the order of asking; may change. */
  readonly addresses: () => readonly string[];
}

type News = FromHost extends infer Message ? (Message extends { readonly id: number } ? Omit<Message, "id"> : never) : never;
type Call = grpc.ClientDuplexStream<Init<JoinRequest>, JoinResponse>;

/** A coordinator is asked to let go for so long; then it will find out by itself. */
const LEAVE_MS = 2_000;
/** Brokers that send us to each other are asked again after a pause. */
const REDIRECTS_AT_ONCE = 3;
/** A broker that does not answer Enter is given up after a third of the session, so that another can take the member in. */
const SESSION_PART = 3;
const ANSWER_MS_MIN = 1_000;
const HEARTBEATS_MISSED = 2;
const LOOKS_PER_TIMEOUT = 20;

export class Membership {
  readonly #plan: MemberPlan;
  readonly #parts: MembershipParts;
  readonly #tell: (news: News) => void;
  readonly #ended = new AbortController();
  readonly #progressLook: Timer;
  #holding: readonly OwnedPartitionMessage[];
  /** Of assignments that the consumer was told of and has not answered: it may be at work on them. */
  #told: readonly OwnedPartitionMessage[] = [];
  #toldVersion = 0;
  #stream = 0;
  #call: Call | undefined;
  #isEntered = false;
  #isLeaving = false;
  /** Where the coordinator is said to be. */
  #coordinator: string | undefined;
  #turn: number;
  #failures = 0;
  #redirects = 0;
  #hasTold = false;
  /** Breaks the stream off, with its reason. */
  #break: (why: QuireError) => void = () => {};

  constructor(plan: MemberPlan, holding: readonly OwnedPartitionMessage[], progress: Int32Array, parts: MembershipParts, tell: (news: News) => void) {
    this.#plan = plan;
    this.#holding = holding;
    this.#parts = parts;
    this.#tell = tell;
    this.#turn = parts.random.below(1_000);
    const { clock } = parts;
    const lookMs = Math.max(10, Math.min(1_000, plan.progressTimeoutMs / LOOKS_PER_TIMEOUT));
    const watch = new ProgressWatch(progress, lookMs, clock.monotonicMs());
    this.#progressLook = clock.every(lookMs, () => {
      const stuckMs = watch.stuckMs(clock.monotonicMs());
      if (stuckMs > plan.progressTimeoutMs) this.leave(hangs(plan, stuckMs));
    });
  }

  /** Until it has left or can be no member. */
  async run(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const address = this.#choose();
      let error: QuireError;
      try {
        error = await this.#attend(address);
      } catch (thrown) {
        error = toQuireError(thrown);
      }
      if (this.#ended.signal.aborted) return;
      await this.#failed(error, address);
    }
  }

  /** All that the consumer holds, as of an assignment of `stream`; one of an earlier stream is told when the next one begins. */
  hold(stream: number, version: number, partitions: readonly OwnedPartitionMessage[]): void {
    this.#holding = partitions;
    if (stream === this.#stream && version === this.#toldVersion) this.#told = [];
    if (stream === this.#stream && this.#isEntered) this.#call?.write({ step: "holding", holding: { version, partitions } });
  }

  /** Gives the membership up. @param why when it did not want to */
  leave(why?: QuireError): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#progressLook.cancel();
    if (why !== undefined) this.#end(why, false);
    if (this.#isEntered) this.#call?.write({ step: "leave", leave: {} });
    this.#parts.clock.after(LEAVE_MS, () => this.#end(undefined));
  }

  /** Says nothing any more, and does nothing. */
  close(): void {
    this.#progressLook.cancel();
    this.#ended.abort();
    this.#break(new QuireError("CANCELLED", "the membership was closed"));
  }

  #choose(): string {
    const addresses = this.#parts.addresses();
    const told = this.#coordinator;
    this.#coordinator = undefined;
    return told ?? (addresses[this.#turn++ % addresses.length] as string);
  }

  /** One stream, from its beginning to its end, which it resolves with. */
  async #attend(address: string): Promise<QuireError> {
    const { connections, clock, options } = this.#parts;
    const client = await abortable(connections.ready(address, "control"), this.#ended.signal);
    const call: Call = openBidi(client, groupService.Join);
    this.#stream += 1;
    this.#call = call;
    const timers: Timer[] = [];
    let heardMs = clock.monotonicMs();
    let silenceMs = Math.min(options.silenceMs, Math.max(ANSWER_MS_MIN, (this.#plan.sessionTimeoutMs || options.silenceMs) / SESSION_PART));
    try {
      return await new Promise<QuireError>((resolve) => {
        this.#break = resolve;
        call.on("error", (error: grpc.ServiceError) => resolve(fromGrpcError(error)));
        call.on("end", () => resolve(new QuireError("SHUTTING_DOWN", `the coordinator at ${address} ended the stream`)));
        call.on("data", (response: JoinResponse) => {
          // What an earlier stream still brings says nothing of this one.
          if (this.#call !== call) return;
          heardMs = clock.monotonicMs();
          if (response.step === "entered") {
            const { heartbeatIntervalMs } = response.entered;
            silenceMs = Math.min(options.silenceMs, Math.max(ANSWER_MS_MIN, HEARTBEATS_MISSED * heartbeatIntervalMs));
            timers.push(clock.every(Math.max(10, heartbeatIntervalMs), () => call.write({ step: "heartbeat", heartbeat: {} })));
          }
          this.#heard(response);
        });
        const silence = (): void => {
          const silentMs = clock.monotonicMs() - heardMs;
          if (silentMs > silenceMs) resolve(new QuireError("BROKER_UNREACHABLE", `the coordinator at ${address} was silent for ${Math.round(silentMs)} ms`));
        };
        timers.push(clock.every(Math.max(20, Math.min(500, silenceMs / 5)), silence));
        const { progressTimeoutMs: _, ...who } = this.#plan;
        call.write({ step: "enter", enter: { ...who, holding: this.#mayHold() } });
      });
    } finally {
      for (const timer of timers) timer.cancel();
      this.#call = undefined;
      this.#isEntered = false;
      this.#break = () => {};
      call.cancel();
    }
  }

  #heard(response: JoinResponse): void {
    if (this.#ended.signal.aborted) return;
    switch (response.step) {
      case "entered": {
        this.#isEntered = true;
        this.#failures = 0;
        this.#redirects = 0;
        if (this.#isLeaving) this.#call?.write({ step: "leave", leave: {} });
        const { coordinatorNodeId, sessionTimeoutMs } = response.entered;
        this.#tell({ say: "entered", coordinatorNodeId, sessionTimeoutMs });
        break;
      }
      case "assignment": {
        const { version, partitions } = response.assignment;
        if (this.#isLeaving) break;
        this.#told = together(this.#told, partitions);
        this.#toldVersion = version;
        this.#tell({ say: "assignment", stream: this.#stream, version, partitions });
        break;
      }
      default:
        // Heartbeats only had to be heard; later versions may say more.
        break;
    }
  }

  /** What the consumer said last, and what it was told since: a busy one hears of it later, and the coordinator would take it for given back. */
  #mayHold(): readonly OwnedPartitionMessage[] {
    return together(this.#holding, this.#told);
  }

  /** Decides how it goes on after a stream that ended with `error`, and waits as long as that needs. */
  async #failed(error: QuireError, address: string): Promise<void> {
    if (this.#isLeaving && (error.retry === "never" || error.reason === "SHUTTING_DOWN")) return this.#end(undefined);
    const { options, random, clock } = this.#parts;
    if (error.reason === "NOT_COORDINATOR") {
      const told = error.details["coordinatorAddress"];
      if (typeof told === "string" && told !== "") this.#coordinator = told;
      this.#redirects += 1;
      if (this.#redirects <= REDIRECTS_AT_ONCE) return;
      this.#failures += 1;
    } else if (error.reason === "MEMBER_FENCED" && error.details["successor"] === undefined) {
      this.#holding = [];
      this.#told = [];
      this.#failures += 1;
      this.#tell({ say: "fenced", why: toErrorMessage(error) });
    } else if (error.retry === "never") {
      return this.#end(error);
    } else {
      this.#failures += 1;
      this.#tell({ say: "lost", address, why: toErrorMessage(error) });
    }
    const brokers = this.#parts.addresses().length;
    // One round without a pause: a dead broker is no reason to wait.
    if (error.reason === "BROKER_UNREACHABLE" && this.#failures < brokers) return;
    await pause(clock, retryDelayMs(this.#failures, options, random, error), this.#ended.signal);
  }

  #end(why: QuireError | undefined, stop = true): void {
    if (this.#ended.signal.aborted) return;
    if (!this.#hasTold) this.#tell({ say: "ended", why: why === undefined ? undefined : toErrorMessage(why) });
    this.#hasTold = true;
    if (stop) this.close();
  }
}

function together(some: readonly OwnedPartitionMessage[], others: readonly OwnedPartitionMessage[]): readonly OwnedPartitionMessage[] {
  if (others.length === 0) return some;
  if (some.length === 0) return others;
  const all = new Map<string, OwnedPartitionMessage>();
  for (const held of [...some, ...others]) all.set(`${held.topic}/${held.partition}`, held);
  return [...all.values()];
}

const hangs = ({ group, progressTimeoutMs }: MemberPlan, stuckMs: number): QuireError =>
  new QuireError(
    "DEADLINE",
    `a handler of group ${group} has come to no end for ${Math.round(stuckMs)} ms; the limit is ${progressTimeoutMs} ms (progressTimeoutMs). The consumer has left the group`,
    { details: { group, stuckMs: Math.round(stuckMs), progressTimeoutMs } },
  );
