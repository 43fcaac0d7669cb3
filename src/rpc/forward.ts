import * as grpc from "@grpc/grpc-js";
import { QuireError, type Reason, toQuireError } from "../base/errors.js";
import type { NodeId } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { BrokerInfo, ClusterView, TopicPartition } from "../cluster/view.js";
import { type CallOptions, callUnary } from "../wire/call.js";
import { clientChannelOptions } from "../wire/channel-options.js";
import type { Init } from "../wire/messages.js";
import type { UnaryMethod } from "../wire/method.js";
import type { Channel, Dial } from "../wire/transport.js";
import { awaitView } from "./await-view.js";
import { type CallContext, FORWARDED_KEY } from "./call-context.js";
import { mapSome } from "./map-some.js";

export interface ForwarderOptions {
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly dial: Dial;
  /** How long to look for a leader while there is none, within the caller's deadline. */
  readonly leaderWaitMsMax: number;
}

/** Who must answer: a partition's leader, or the controller. */
export type Destination = TopicPartition | "controller";

export interface Forwarding<Response> {
  readonly to: Destination;
  /** Whether the request changes something, so that a lost answer leaves an unknown outcome. */
  readonly writes: boolean;
  /** Answers on this broker. @throws QuireError one of `ELSEWHERE` when another one must, before anything was done */
  here(): Promise<Response>;
  /** Answers through another broker. */
  there(broker: RemoteBroker): Promise<Response>;
}

/** The same for many partitions at once: what goes to one broker goes there in one call. */
export interface ForwardingEach<Item extends TopicPartition, Answer> {
  readonly items: readonly Item[];
  readonly writes: boolean;
  here(item: Item): Promise<Answer>;
  /** At most `itemsAtOnce` of them, answered in their order. */
  there(broker: RemoteBroker, items: readonly Item[]): Promise<readonly (Answer | QuireError)[]>;
  readonly itemsAtOnce: number;
}

/** Items that this broker works on at a time, so that many do not hold up everything else. */
const HERE_AT_A_TIME = 64;

/** Nothing was done, and another broker (or the same in a moment) can do it. */
const ELSEWHERE: ReadonlySet<Reason> = new Set(["NOT_LEADER", "LEADER_UNKNOWN", "NOT_READY"]);
/** The same, said by the broker that was asked. */
const ELSEWHERE_SAID: ReadonlySet<Reason> = new Set([...ELSEWHERE, "SHUTTING_DOWN", "REPLICA_FAILED"]);

/**
 * Lets any broker answer any unary request, by asking the one in charge with the same public RPC. While nobody is known to be in
 * charge it looks for a leader, briefly: that is not a retry, since nothing was done anywhere yet. Real retries are the client's.
 */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #channels = new Map<string, Channel>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  async run<Response>(context: CallContext, forwarding: Forwarding<Response>): Promise<Response> {
    const { clock, leaderWaitMsMax } = this.#options;
    // A tenth of the time is left for saying that there is no leader.
    const giveUpMs = clock.monotonicMs() + Math.min(leaderWaitMsMax, context.remainingMs() * 0.9);
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 320)) {
      const error = await this.#attempt(context, forwarding);
      if ("answer" in error) return error.answer;
      const leftMs = giveUpMs - clock.monotonicMs();
      if (context.signal.aborted || leftMs <= 0) throw error.refusal;
      // After a pause at the latest: that a new leader is ready shows nowhere.
      await awaitView(this.#options, Math.min(pauseMs, leftMs), context.signal, () => true);
    }
  }

  /** An outcome for each item, in their order; nothing is thrown for one. */
  async each<Item extends TopicPartition, Answer>(context: CallContext, forwarding: ForwardingEach<Item, Answer>): Promise<(Answer | QuireError)[]> {
    const { clock, leaderWaitMsMax } = this.#options;
    const giveUpMs = clock.monotonicMs() + Math.min(leaderWaitMsMax, context.remainingMs() * 0.9);
    const outcomes: (Answer | QuireError)[] = [];
    let open: readonly number[] = forwarding.items.map((_, at) => at);
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 320)) {
      open = await this.#attemptEach(context, forwarding, open, outcomes);
      const leftMs = giveUpMs - clock.monotonicMs();
      if (open.length === 0 || context.signal.aborted || leftMs <= 0) return outcomes;
      await awaitView(this.#options, Math.min(pauseMs, leftMs), context.signal, () => true);
    }
  }

  /** Another broker, if it lives as seen from here. */
  at(nodeId: NodeId, context: CallContext): RemoteBroker | undefined {
    const { view } = this.#options;
    const broker = nodeId === view.self || !view.isAlive(nodeId) ? undefined : view.broker(nodeId);
    return broker && this.#remote(broker, context);
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  /** The answer, or a refusal after which it makes sense to look for another leader; throws every other refusal. */
  async #attempt<Response>(context: CallContext, forwarding: Forwarding<Response>): Promise<{ answer: Response } | { refusal: QuireError }> {
    let refusal: QuireError;
    try {
      return { answer: await forwarding.here() };
    } catch (thrown) {
      refusal = toQuireError(thrown);
      if (!ELSEWHERE.has(refusal.reason) || context.forwarded) throw thrown;
    }
    const broker = this.#brokerInCharge(forwarding.to);
    if (broker === undefined) return { refusal };
    try {
      return { answer: await forwarding.there(this.#remote(broker, context)) };
    } catch (thrown) {
      const { error, isOpen } = afterCall(thrown, forwarding);
      if (isOpen) return { refusal: error };
      throw error;
    }
  }

  /** One try for items that are still open; their outcomes, perhaps not the last, are in `outcomes`. Those that are open after it. */
  async #attemptEach<Item extends TopicPartition, Answer>(
    context: CallContext,
    forwarding: ForwardingEach<Item, Answer>,
    open: readonly number[],
    outcomes: (Answer | QuireError)[],
  ): Promise<readonly number[]> {
    const { items } = forwarding;
    const elsewhere: number[] = [];
    await mapSome(open, HERE_AT_A_TIME, async (at) => {
      outcomes[at] = await forwarding.here(items[at] as Item).catch(toQuireError);
      if (isOneOf(ELSEWHERE, outcomes[at]) && !context.forwarded) elsewhere.push(at);
    });
    const stillOpen: number[] = [];
    await Promise.all(
      this.#calls(forwarding, elsewhere, stillOpen).map(async ({ broker, ats }) => {
        const asked = ats.map((at) => items[at] as Item);
        const answers = await forwarding.there(this.#remote(broker, context), asked).catch((thrown: unknown) => afterCall(thrown, forwarding));
        for (const [i, at] of ats.entries()) {
          const isAnswered = !("isOpen" in answers);
          const outcome = isAnswered ? answers[i] : answers.error;
          outcomes[at] = outcome ?? new QuireError("INTERNAL", `broker ${broker.nodeId} left a question unanswered`);
          if (isAnswered ? isOneOf(ELSEWHERE_SAID, outcome) : answers.isOpen) stillOpen.push(at);
        }
      }),
    );
    return stillOpen;
  }

  /** Which items go to which broker, in one call each if they fit; those that nobody is known to be in charge of stay open. */
  #calls<Item extends TopicPartition>(
    { items, itemsAtOnce }: { readonly items: readonly Item[]; readonly itemsAtOnce: number },
    elsewhere: readonly number[],
    stillOpen: number[],
  ): { broker: BrokerInfo; ats: number[] }[] {
    const calls: { broker: BrokerInfo; ats: number[] }[] = [];
    for (const at of elsewhere) {
      const broker = this.#brokerInCharge(items[at] as Item);
      const call = calls.find((begun) => begun.broker.nodeId === broker?.nodeId && begun.ats.length < itemsAtOnce);
      if (broker === undefined) stillOpen.push(at);
      else if (call === undefined) calls.push({ broker, ats: [at] });
      else call.ats.push(at);
    }
    return calls;
  }

  #brokerInCharge(to: Destination): BrokerInfo | undefined {
    const { view } = this.#options;
    const nodeId = to === "controller" ? view.controller : this.#leaderOf(to);
    const broker = nodeId === undefined || nodeId === view.self ? undefined : view.broker(nodeId);
    return broker !== undefined && view.isAlive(broker.nodeId) ? broker : undefined;
  }

  #remote({ address }: BrokerInfo, context: CallContext): RemoteBroker {
    return new RemoteBroker(this.#channel(address), this.#options.clock, context);
  }

  #leaderOf(at: TopicPartition): NodeId | undefined {
    const partition = this.#options.view.partition(at);
    return partition === undefined ? undefined : this.#options.view.leader(partition.replicaSetId)?.nodeId;
  }

  #channel(address: string): Channel {
    let channel = this.#channels.get(address);
    if (channel === undefined) {
      this.#closeUnused();
      channel = this.#options.dial(address, clientChannelOptions);
      this.#channels.set(address, channel);
    }
    return channel;
  }

  /** Channels to addresses that no broker has any more. */
  #closeUnused(): void {
    const used = new Set(this.#options.view.brokers().map(({ address }) => address));
    for (const [address, channel] of this.#channels) {
      if (used.has(address)) continue;
      channel.close();
      this.#channels.delete(address);
    }
  }
}

/** Another broker, for the rest of one call: its deadline and its cancellation go along. */
export class RemoteBroker {
  readonly #channel: Channel;
  readonly #clock: Clock;
  readonly #context: CallContext;

  constructor(channel: Channel, clock: Clock, context: CallContext) {
    this.#channel = channel;
    this.#clock = clock;
    this.#context = context;
  }

  /** @throws QuireError */
  call<Request, Response>(method: UnaryMethod<Request, Response>, request: Init<Request>): Promise<Response> {
    const metadata = new grpc.Metadata();
    metadata.set(FORWARDED_KEY, "1");
    const options: CallOptions = { metadata, signal: this.#context.signal, deadline: this.#clock.wallMs() + this.#context.remainingMs() };
    return callUnary(this.#channel, method, request, options);
  }
}

/** What a call that failed says, and whether it makes sense to look for another leader. */
function afterCall(thrown: unknown, { writes }: { readonly writes: boolean }): { error: QuireError; isOpen: boolean } {
  const error = toQuireError(thrown);
  const isOpen = ELSEWHERE_SAID.has(error.reason) || neverSent(error) || (error.reason === "BROKER_UNREACHABLE" && !writes);
  return { error: !isOpen && writes && wasLost(error) ? outcomeUnknown(error) : error, isOpen };
}

const isOneOf = (reasons: ReadonlySet<Reason>, outcome: unknown): boolean => outcome instanceof QuireError && reasons.has(outcome.reason);

/** grpc-js's own words for a call that ended while its channel had no connection; a test holds them to it. */
const neverSent = (error: QuireError): boolean => error.reason === "BROKER_UNREACHABLE" && /^No connection established/.test(error.message);
/** Failures that came from the way there and back, not from the broker. */
const wasLost = ({ reason }: QuireError): boolean => reason === "BROKER_UNREACHABLE" || reason === "DEADLINE" || reason === "CANCELLED";

const outcomeUnknown = (cause: QuireError): QuireError =>
  new QuireError("WRITE_OUTCOME_UNKNOWN", `the broker in charge gave no answer (${cause.message}); it may or may not be done`, { cause });
