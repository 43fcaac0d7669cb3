import type { Clock, Timer } from "../base/ports.js";
import type { ClusterView } from "../cluster/view.js";
import { brokerMetadata } from "./metadata-messages.js";

/** What changed: topics by name (gone ones too), and whether brokers or the controller did. */
export interface MetadataChange {
  readonly topics: ReadonlySet<string>;
  readonly brokers: boolean;
  readonly controller: boolean;
}

/** Changes closer together than this are told as one. */
const PAUSE_MS = 10;

/**
 * Finds out what changed in the cluster view, once for all watchers and only while there are any. A topic's state is
 * compared as one short text, so that nothing is remembered but that.
 */
export class MetadataFeed {
  readonly #view: ClusterView;
  readonly #clock: Clock;
  readonly #watchers = new Set<(change: MetadataChange) => void>();
  #topics = new Map<string, string>();
  #brokers = "";
  #controller = 0;
  #unwatchView: (() => void) | undefined;
  #pause: Timer | undefined;
  #missed = false;

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
    };
  }

  #viewChanged(): void {
    if (this.#pause !== undefined) {
      this.#missed = true;
      return;
    }
    this.#tell();
    this.#pause = this.#clock.after(PAUSE_MS, () => {
      this.#pause = undefined;
      if (!this.#missed) return;
      this.#missed = false;
      this.#viewChanged();
    });
  }

  #tell(): void {
    const change = this.#compare();
    if (change.topics.size === 0 && !change.brokers && !change.controller) return;
    for (const watcher of [...this.#watchers]) watcher(change);
  }

  #compare(): MetadataChange {
    const topics = new Map<string, string>();
    const changed = new Set<string>();
    for (const topic of this.#view.topics()) {
      let state = `${topic.topicId} ${topic.version}`;
      for (const { replicaSetId } of topic.assignments) {
        const leader = this.#view.leader(replicaSetId);
        state += leader === undefined ? " -" : ` ${leader.nodeId}:${leader.term}`;
      }
      topics.set(topic.name, state);
      if (this.#topics.get(topic.name) !== state) changed.add(topic.name);
    }
    for (const name of this.#topics.keys()) if (!topics.has(name)) changed.add(name);
    const brokers = JSON.stringify(brokerMetadata(this.#view));
    const controller = this.#view.controller ?? 0;
    const change = { topics: changed, brokers: brokers !== this.#brokers, controller: controller !== this.#controller };
    this.#topics = topics;
    this.#brokers = brokers;
    this.#controller = controller;
    return change;
  }
}
