import type { NodeId, ReplicaSetId, Term } from "../base/ids.js";
import type { Leadership, PartitionLeader } from "./view.js";

interface Row {
  readonly term: Term;
  /** Undefined when the leader of this term resigned. */
  readonly nodeId: NodeId | undefined;
  /** When this was learned, on the monotonic clock. */
  readonly sinceMs: number;
}

/**
 * Who leads which replica set, as told: the highest term wins, and since a term has at most one leader, the first claim of a
 * term stands. Rows outlive a resignation, so that a late claim of an older term is not believed.
 */
export class LeaderTable {
  readonly #rows = new Map<ReplicaSetId, Row>();
  readonly #ledBy = new Map<NodeId, Set<ReplicaSetId>>();

  leader(id: ReplicaSetId): (PartitionLeader & { readonly sinceMs: number }) | undefined {
    const row = this.#rows.get(id);
    return row?.nodeId === undefined ? undefined : { nodeId: row.nodeId, term: row.term, sinceMs: row.sinceMs };
  }

  ledBy(nodeId: NodeId): ReadonlySet<ReplicaSetId> {
    return this.#ledBy.get(nodeId) ?? NONE;
  }

  /** Whether this changed the leader. */
  claim(id: ReplicaSetId, nodeId: NodeId, term: Term, nowMs: number): boolean {
    const row = this.#rows.get(id);
    if (row !== undefined && (row.term > term || (row.term === term && row.nodeId !== undefined))) return false;
    this.#set(id, { term, nodeId, sinceMs: nowMs });
    return true;
  }

  /** `nodeId` leads no more, at least not in `term` or before. */
  resign(id: ReplicaSetId, nodeId: NodeId, term: Term, nowMs: number): boolean {
    const row = this.#rows.get(id);
    if (row?.nodeId !== nodeId || row.term > term) return false;
    this.#set(id, { term: row.term, nodeId: undefined, sinceMs: nowMs });
    return true;
  }

  /** What a broker says it leads; `full` when it leads nothing else. Returns what changed. */
  told(from: NodeId, list: readonly Leadership[], full: boolean, nowMs: number): ReplicaSetId[] {
    const changed: ReplicaSetId[] = [];
    if (full) {
      const leads = new Set(list.filter((line) => line.leads).map((line) => line.replicaSetId));
      for (const id of [...this.ledBy(from)]) {
        const row = this.#rows.get(id);
        if (!leads.has(id) && row !== undefined && this.resign(id, from, row.term, nowMs)) changed.push(id);
      }
    }
    for (const { replicaSetId, term, leads } of list) {
      if (leads ? this.claim(replicaSetId, from, term, nowMs) : this.resign(replicaSetId, from, term, nowMs)) changed.push(replicaSetId);
    }
    return changed;
  }

  /** The set is gone for ever. */
  forget(id: ReplicaSetId): void {
    const row = this.#rows.get(id);
    if (row?.nodeId !== undefined) this.#ledBy.get(row.nodeId)?.delete(id);
    this.#rows.delete(id);
  }

  /** Every set that has a row. */
  ids(): Iterable<ReplicaSetId> {
    return this.#rows.keys();
  }

  #set(id: ReplicaSetId, row: Row): void {
    this.forget(id);
    this.#rows.set(id, row);
    if (row.nodeId === undefined) return;
    const led = this.#ledBy.get(row.nodeId) ?? new Set();
    led.add(id);
    this.#ledBy.set(row.nodeId, led);
  }
}

const NONE: ReadonlySet<ReplicaSetId> = new Set();
