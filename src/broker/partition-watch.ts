import type { ReplicaSetId } from "../base/ids.js";
import type { ClusterView } from "../cluster/view.js";
import type { Replica } from "../replica/types.js";

interface Group {
  readonly replica: Replica;
  readonly callbacks: Set<() => void>;
  readonly unwatch: () => void;
}

/**
 * Wakes whoever waits for a partition: at a new high watermark, a change of leader, and when the replica is no longer
 * this broker's (its topic was deleted, or it moved), which the replica itself would not tell. One registration with
 * a replica serves all who wait for it.
 */
export class PartitionWatch {
  readonly #replicaOf: (id: ReplicaSetId) => Replica | undefined;
  readonly #groups = new Map<ReplicaSetId, Group>();
  readonly #unwatchView: () => void;

  constructor(view: ClusterView, replicaOf: (id: ReplicaSetId) => Replica | undefined) {
    this.#replicaOf = replicaOf;
    this.#unwatchView = view.watch(() => this.#wakeReplaced());
  }

  /** Calls `changed` at every change until the returned function is called. */
  watch(replica: Replica, changed: () => void): () => void {
    const group = this.#groupOf(replica);
    // A registration of its own, so that one function may be registered twice.
    const callback = (): void => changed();
    group.callbacks.add(callback);
    return () => {
      if (!group.callbacks.delete(callback) || group.callbacks.size > 0) return;
      group.unwatch();
      if (this.#groups.get(replica.replicaSetId) === group) this.#groups.delete(replica.replicaSetId);
    };
  }

  /** Wakes everyone, and watches nothing more. */
  close(): void {
    this.#unwatchView();
    for (const group of [...this.#groups.values()]) wake(group);
  }

  #groupOf(replica: Replica): Group {
    const known = this.#groups.get(replica.replicaSetId);
    if (known !== undefined && known.replica === replica) return known;
    const callbacks = new Set<() => void>();
    const group: Group = { replica, callbacks, unwatch: replica.watch(() => wake(group)) };
    this.#groups.set(replica.replicaSetId, group);
    if (known !== undefined) wake(known);
    return group;
  }

  #wakeReplaced(): void {
    for (const [id, group] of [...this.#groups]) if (this.#replicaOf(id) !== group.replica) wake(group);
  }
}

/** A copy, because whoever is woken may leave or come back at once. */
const wake = ({ callbacks }: Group): void => {
  for (const callback of [...callbacks]) if (callbacks.has(callback)) callback();
};
