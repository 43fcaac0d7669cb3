import { limits } from "../base/limits.js";
import type { Clock, Timer } from "../base/ports.js";
import type { ClusterView, PartitionLeader } from "../cluster/view.js";
import type { WatchMetadataResponse } from "../wire/admin-messages.js";
import type { Init } from "../wire/messages.js";
import type { EdgeLimits } from "./edge.js";
import { brokerMetadata, metadataDelta, metadataSnapshot, type ToTell } from "./metadata-messages.js";

/** One message for many watchers: the same object, so that it is serialized once. */
export interface SharedMessage {
  readonly message: Init<WatchMetadataResponse>;
  readonly partitions: number;
}

/** What changed: topics by name (gone ones too), single partitions of others, and whether brokers or the controller did. */
export interface MetadataChange extends ToTell {
  readonly topics: ReadonlySet<string>;
  readonly leaders: ReadonlyMap<string, readonly number[]>;
  readonly controller: boolean;
  /** All of it as it is now, made when first asked for. */
  readonly delta: () => SharedMessage;
}

interface TopicSeen {
  /** Of all but the leaders. */
  readonly version: string;
  readonly leaders: readonly number[];
}

/** Changes closer together than this are told as one. */
const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 1_000;
/**
 * Of a broker's time, telling takes at most one part in so many. Without that, many watchers of many partitions keep a broker from answering its
 * peers, which count it as dead, which is one more change to tell.
 */
const SHARE_OF_TIME = 20;

/**
 * Finds out what changed in the cluster view, once for all watchers and only while there are any. A topic's state is
 * remembered as a number per partition and nothing more.
 */
export class MetadataFeed {
  readonly #view: ClusterView;
  readonly #clock: Clock;
  readonly #watchers = new Set<(change: MetadataChange) => void>();
  #topics = new Map<string, TopicSeen>();
  #brokers = "";
  #controller = 0;
  #unwatchView: (() => void) | undefined;
  #pause: Timer | undefined;
  #missed = false;
  /** The view's version that was compared last. */
  #version = -1;
  #snapshot: (SharedMessage & { readonly version: number; readonly rest: readonly string[] }) | undefined;

  constructor(view: ClusterView, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
  }

  /** Tells every change from now on, until the returned function is called. */
  watch(changed: (change: MetadataChange) => void): () => void {
    // Up to date first, so that the new watcher's own snapshot and the next change fit together.
    if (this.#unwatchView === undefined) {
      this.#compare();
      this.#unwatchView = this.#view.watch(() => this.#viewChanged());
    } else this.#tell();
    this.#watchers.add(changed);
    return () => {
      this.#watchers.delete(changed);
      if (this.#watchers.size > 0) return;
      this.#unwatchView?.();
      this.#unwatchView = undefined;
      this.#pause?.cancel();
      this.#pause = undefined;
      this.#missed = false;
      this.#snapshot = undefined;
    };
  }

  /** All that the view holds now, and the names of topics beyond the first `partitionsMax` partitions; made anew when the view changed. */
  snapshot(edgeLimits: EdgeLimits, partitionsMax: number): SharedMessage & { readonly rest: readonly string[] } {
    const { version } = this.#view;
    if (this.#snapshot?.version !== version)
      this.#snapshot = { version, ...metadataSnapshot(this.#view, this.#view.topics(), { limits: edgeLimits, partitionsMax }) };
    return this.#snapshot;
  }

  #viewChanged(): void {
    if (this.#pause !== undefined) {
      this.#missed = true;
      return;
    }
    const beginMs = this.#clock.monotonicMs();
    this.#tell();
    const spentMs = this.#clock.monotonicMs() - beginMs;
    this.#pause = this.#clock.after(Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, SHARE_OF_TIME * spentMs)), () => {
      this.#pause = undefined;
      if (!this.#missed) return;
      this.#missed = false;
      this.#viewChanged();
    });
  }

  #tell(): void {
    // With many watchers coming at once, each would compare all there is.
    if (this.#version === this.#view.version) return;
    const change = this.#compare();
    if (change.topics.size + change.leaders.size === 0 && !change.brokers && !change.controller) return;
    for (const watcher of [...this.#watchers]) watcher(change);
  }

  #compare(): MetadataChange {
    this.#version = this.#view.version;
    const { topics, leaders } = this.#compareTopics();
    const brokers = JSON.stringify(brokerMetadata(this.#view));
    const controller = this.#view.controller ?? 0;
    const told = { topics, leaders, brokers: brokers !== this.#brokers };
    let delta: SharedMessage | undefined;
    const change = {
      ...told,
      controller: controller !== this.#controller,
      delta: () => {
        delta ??= metadataDelta(this.#view, told);
        return delta;
      },
    };
    this.#brokers = brokers;
    this.#controller = controller;
    return change;
  }

  #compareTopics(): Pick<MetadataChange, "topics" | "leaders"> {
    const seen = new Map<string, TopicSeen>();
    const changed = new Set<string>();
    const leaders = new Map<string, readonly number[]>();
    for (const topic of this.#view.topics()) {
      const before = this.#topics.get(topic.name);
      const now = {
        version: `${topic.topicId} ${topic.version}`,
        leaders: topic.assignments.map(({ replicaSetId }) => codeOf(this.#view.leader(replicaSetId))),
      };
      seen.set(topic.name, now);
      const moved = now.leaders.flatMap((code, partition) => (code === before?.leaders[partition] ? [] : partition));
      // When most have moved, one by one would be longer than all.
      if (before?.version !== now.version || 2 * moved.length > now.leaders.length) changed.add(topic.name);
      else if (moved.length > 0) leaders.set(topic.name, moved);
    }
    for (const name of this.#topics.keys()) if (!seen.has(name)) changed.add(name);
    this.#topics = seen;
    return { topics: changed, leaders };
  }
}

/** A leader and its term in one number, 0 for none: there may be very many. */
const codeOf = (leader: PartitionLeader | undefined): number => (leader === undefined ? 0 : leader.term * (limits.nodeIdMax + 1) + leader.nodeId);
