/** Rule 2: what a replica says is on its disk before it says it, and what is on disk never goes back. */
import type { ReplicaId } from "../../../src/base/ids.js";
import type { HardState, Message } from "../../../src/consensus/types.js";
import { type ReplicaSetRecord, show } from "./replica-set-record.js";

export function saved(record: ReplicaSetRecord, id: ReplicaId, hardState: HardState): void {
  const replica = record.replicas.get(id);
  if (replica === undefined) return;
  record.note(id, "saved term, vote", hardState.term, String(hardState.votedFor));
  checkHardState(record, id, replica.hardState, hardState);
  replica.hardState = hardState;
}

/** A term may rise; within one, a vote may be given, once. */
export function checkHardState(record: ReplicaSetRecord, id: ReplicaId, former: HardState | undefined, next: HardState): void {
  if (former === undefined || next.term > former.term) return;
  const isKept = next.term === former.term && (former.votedFor === null || former.votedFor === next.votedFor);
  if (isKept) return;
  record.broken(
    "term and vote never go back",
    `term ${former.term} vote ${former.votedFor}, or later`,
    `replica ${id} has term ${next.term} vote ${next.votedFor}`,
  );
}

export function says(record: ReplicaSetRecord, id: ReplicaId, to: ReplicaId, message: Message): void {
  const replica = record.replicas.get(id);
  if (replica === undefined) return;
  const { hardState, synced } = replica;
  if (message.kind === "vote" || (message.kind === "vote-reply" && message.granted)) {
    const votedFor = message.kind === "vote" ? id : to;
    if (hardState === undefined || (hardState.term === message.term && hardState.votedFor === votedFor)) return;
    record.broken(
      "a vote is on disk before it is told",
      `replica ${id}'s vote for ${votedFor} in term ${message.term} on disk`,
      `there is its vote for ${hardState.votedFor} in term ${hardState.term}`,
    );
    return;
  }
  if (message.kind !== "append-reply" || message.rejected !== undefined) return;
  const { match, term } = message;
  record.hearsAcknowledgements = true;
  if (hardState !== undefined && hardState.term !== term)
    record.broken(
      "a term is on disk before an entry of it is acknowledged",
      `term ${term} on disk`,
      `replica ${id} acknowledges ${match} with term ${hardState.term}`,
    );
  if (!record.options.isSyncDeferred && match > synced.index)
    record.broken(
      "an entry is on disk before it is acknowledged",
      `entry ${match} on disk`,
      `replica ${id} acknowledges it to ${to}; its disk ends at ${show(synced)}`,
    );
  const { acknowledged } = replica;
  if (term > acknowledged.term || (term === acknowledged.term && match > acknowledged.index)) replica.acknowledged = { index: match, term };
}
