/**
 * Handing leadership over (rule 8; Ongaro's dissertation, 3.10): admit nothing more, bring the target up to date, tell
 * it to stand, and go on as before when one election timeout was not enough.
 */
import type { ReplicaId } from "../base/ids.js";
import { type Leadership, type State, send, termOf } from "./state.js";
import type { RequestId } from "./types.js";

/** Begins a transfer, if `to` is a voter that will stay one and none is under way. */
export function beginTransfer<P>(state: State<P>, leadership: Leadership, id: RequestId, to: ReplicaId): void {
  const { voters, incoming } = state.membership.current;
  const isTarget = to !== state.self && (incoming?.voters ?? voters).some((voter) => voter.replicaId === to);
  const progress = leadership.progress.get(to);
  if (leadership.transfer !== undefined || !isTarget || progress === undefined || progress.down) {
    state.effects.push({ kind: "transfer-ended", id, done: false });
    return;
  }
  leadership.transfer = { id, to, ticks: 0 };
  urgeTarget(state, leadership);
}

/** Tells the target to stand once its log is whole. */
export function urgeTarget<P>(state: State<P>, { transfer, progress }: Leadership): void {
  const target = transfer && progress.get(transfer.to);
  if (target?.match !== state.log.lastIndex) return;
  send(state, target.member, { kind: "timeout-now", term: termOf(state) });
}

export function giveUpTransfer<P>(state: State<P>, leadership: Leadership): void {
  const { transfer } = leadership;
  if (transfer === undefined) return;
  leadership.transfer = undefined;
  state.effects.push({ kind: "transfer-ended", id: transfer.id, done: false });
}

export function tickTransfer<P>(state: State<P>, leadership: Leadership): void {
  const { transfer } = leadership;
  if (transfer === undefined) return;
  transfer.ticks++;
  if (transfer.ticks >= state.options.electionTicks || leadership.progress.get(transfer.to) === undefined) giveUpTransfer(state, leadership);
}
