/**
 * Keeps the cache true: one `WatchMetadata` stream to any broker, opened at another one when it breaks, falls silent, or its broker is
 * suspected.
 */
import type * as grpc from "@grpc/grpc-js";
import { QuireError, toQuireError } from "../base/errors.js";
import { topicNotFound } from "../base/refusals.js";
import type { TopicMetadata, WatchMetadataResponse } from "../wire/admin-messages.js";
import { openServerStream } from "../wire/call.js";
import type { PartitionLeaderMessage } from "../wire/messages.js";
import { clusterService } from "../wire/services.js";
import { fromGrpcError } from "../wire/status.js";
import { type CallLimits, Calls } from "./calls.js";
import { type Connections, closedError } from "./connections.js";
import { MetadataCache, type TopicRoute } from "./metadata-cache.js";
import type { ClientOptions } from "./options.js";
import { abortable, type ClientPorts, pause } from "./ports.js";
import { retryDelayMs } from "./retry.js";

/** A broker's view may be a little behind: a topic is missing only when it still is after so long. */
const MISSING_TOPIC_MS = 1_000;
const MISSING_TOPIC_RETRY_MS = 100;
/** Once every broker was asked in vain who leads, they are asked so much less often. */
const ASKED_ALL_FACTOR = 10;

export class Metadata {
  readonly cache = new MetadataCache();
  readonly calls: Calls;
  readonly #options: ClientOptions;
  readonly #ports: ClientPorts;
  readonly #connections: Connections;
  readonly #closing: AbortSignal;
  readonly #listeners = new Set<() => void>();
  #watched: { readonly address: string; readonly stop: (why: QuireError) => void } | undefined;
  #turn = 0;
  /** Brokers asked one after the other because no leader takes what is for it, and when last. */
  #asked = { count: 0, atMs: Number.NEGATIVE_INFINITY };

  constructor(options: ClientOptions, ports: ClientPorts, connections: Connections, closing: AbortSignal) {
    this.#options = options;
    this.#ports = ports;
    this.#connections = connections;
    this.#closing = closing;
    this.calls = new Calls(options, ports, connections, () => this.addresses(), closing);
    this.#turn = ports.random.below(options.brokers.length);
  }

  /** Resolves with the first snapshot. @throws QuireError why no broker of the list gave one within `connectTimeoutMs` */
  async start(signal?: AbortSignal): Promise<void> {
    let failure: QuireError | undefined;
    const first = new Promise<void>((resolve) => {
      void this.#run(resolve, (error) => {
        failure = error;
      });
    });
    const { connectTimeoutMs, brokers } = this.#options;
    const { promise: timeUp, cancel } = this.#timeUp(connectTimeoutMs);
    try {
      const done = await abortable(Promise.race([first.then(() => true), timeUp.then(() => false)]), signal ?? this.#closing);
      if (done) return;
      const why = failure === undefined ? "no answer" : failure.message;
      throw new QuireError(
        failure?.reason ?? "BROKER_UNREACHABLE",
        `no broker of ${brokers.join(", ")} answered within ${connectTimeoutMs} ms (connectTimeoutMs): ${why}`,
        {
          cause: failure,
          details: { brokers: brokers.join(","), connectTimeoutMs },
        },
      );
    } finally {
      cancel();
    }
  }

  /** Calls back after every change, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What an answer said of a partition's leader, at once. */
  hint(topic: string, partition: number, leader: PartitionLeaderMessage): void {
    if (this.cache.applyHint(topic, partition, leader)) this.#changed();
  }

  /** A topic as the broker that changed it describes it, at once. */
  learn(topic: TopicMetadata): void {
    this.cache.learn(topic);
    this.#changed();
  }

  /** `nodeId` does not answer as it should: what it tells of the cluster is not worth waiting for either. */
  suspect(nodeId: number): void {
    const watched = this.#watched;
    if (watched === undefined || this.cache.address(nodeId) !== watched.address || this.addresses().length < 2) return;
    watched.stop(new QuireError("BROKER_UNREACHABLE", `broker ${nodeId} at ${watched.address} is suspected`));
  }

  /**
   * No leader of some partition takes or gives what it should, for `stallMs` and longer. The broker we watch may be cut off together with the
   * former leader: then it says nothing of the next one, for as long as that lasts, and looks well. So another one is watched, of which the same holds.
   */
  askElsewhere(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    const { stallMs } = this.#options;
    const brokers = this.addresses().length;
    const { count, atMs } = this.#asked;
    const askedAllMs = ASKED_ALL_FACTOR * stallMs;
    if (this.#watched === undefined || brokers < 2 || nowMs - atMs < (count < brokers ? stallMs : askedAllMs)) return;
    this.#asked = { count: nowMs - atMs > 2 * askedAllMs ? 1 : count + 1, atMs: nowMs };
    this.#watched.stop(new QuireError("LEADER_UNKNOWN", `broker at ${this.#watched.address} knows of no leader that answers`));
  }

  /**
   * The topic's routes.
   *
   * @throws QuireError TOPIC_NOT_FOUND when the brokers asked over a second do not know it
   */
  async topic(name: string, limits: CallLimits = {}): Promise<TopicRoute> {
    const { clock } = this.#ports;
    const giveUpMs = clock.monotonicMs() + MISSING_TOPIC_MS;
    for (;;) {
      const known = this.cache.topic(name);
      if (known !== undefined) return known;
      const { metadata } = await this.calls.call(clusterService.GetMetadata, { topics: [name] }, limits);
      const found = metadata?.topics.find((topic) => topic.name === name);
      if (found !== undefined) {
        this.learn(found);
      } else if (clock.monotonicMs() >= giveUpMs) {
        throw topicNotFound(name);
      } else await pause(clock, MISSING_TOPIC_RETRY_MS, this.#closing);
    }
  }

  async #run(gotSnapshot: () => void, failed: (error: QuireError) => void): Promise<void> {
    const { clock, random } = this.#ports;
    for (let failures = 0; !this.#closing.aborted; ) {
      const addresses = this.addresses();
      const address = addresses[this.#turn % addresses.length] as string;
      try {
        await this.#watch(address, () => {
          failures = 0;
          gotSnapshot();
        });
      } catch (thrown) {
        if (this.#closing.aborted) return;
        const error = toQuireError(thrown);
        failed(error);
        this.#options.logger.debug({ address, error }, "metadata stream ended");
      }
      this.#turn += 1;
      failures += 1;
      if (failures >= addresses.length) await pause(clock, retryDelayMs(failures - addresses.length + 1, this.#options, random), this.#closing);
    }
  }

  /** Watches at one broker until that ends, whatever the reason. */
  async #watch(address: string, gotSnapshot: () => void): Promise<never> {
    const client = await this.#connections.ready(address, "control");
    const { clock } = this.#ports;
    let heardMs = clock.monotonicMs();
    const call = openServerStream(client, clusterService.WatchMetadata, {});
    return await new Promise<never>((_, reject) => {
      const stop = (why: QuireError): void => {
        silence.cancel();
        this.#closing.removeEventListener("abort", closed);
        this.#watched = undefined;
        reject(why);
        call.cancel();
      };
      const closed = (): void => stop(closedError());
      const silence = clock.every(this.#options.silenceMs / 5, () => {
        if (clock.monotonicMs() - heardMs > this.#options.silenceMs) stop(new QuireError("BROKER_UNREACHABLE", `broker at ${address} fell silent`));
      });
      this.#closing.addEventListener("abort", closed, { once: true });
      this.#watched = { address, stop };
      call.on("error", (error: grpc.ServiceError) => stop(fromGrpcError(error)));
      call.on("end", () => stop(new QuireError("SHUTTING_DOWN", `broker at ${address} ended the metadata stream`)));
      call.on("data", (response: WatchMetadataResponse) => {
        heardMs = clock.monotonicMs();
        const refused = this.#apply(response, address);
        if (refused !== undefined) stop(refused);
        else if (response.change === "snapshot") gotSnapshot();
      });
    });
  }

  #apply(response: WatchMetadataResponse, address: string): QuireError | undefined {
    if (response.change === "snapshot") {
      const { clusterId } = response.snapshot;
      if (this.cache.clusterId !== "" && this.cache.clusterId !== clusterId) {
        return new QuireError("CLUSTER_MISMATCH", `broker at ${address} belongs to cluster ${clusterId}, the others to ${this.cache.clusterId}`);
      }
      this.cache.applySnapshot(response.snapshot);
    } else if (response.change === "delta") this.cache.applyDelta(response.delta);
    else return undefined;
    this.#changed();
    return undefined;
  }

  #changed(): void {
    this.#connections.retain(new Set(this.addresses()));
    for (const listener of this.#listeners) listener();
  }

  /** Brokers as the cluster names them, those believed alive first, then the list that the user gave. */
  addresses(): readonly string[] {
    return [...new Set([...this.cache.brokers().map((broker) => broker.address), ...this.#options.brokers])];
  }

  #timeUp(delayMs: number): { promise: Promise<void>; cancel: () => void } {
    let cancel = (): void => {};
    const promise = new Promise<void>((resolve) => {
      const timer = this.#ports.clock.after(delayMs, resolve);
      cancel = () => timer.cancel();
    });
    return { promise, cancel };
  }
}
