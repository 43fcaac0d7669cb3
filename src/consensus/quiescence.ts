/**
 * Idle replica sets cost nothing: when every member that is up holds everything and knows that it is committed, the
 * leader tells all to stop ticking, and stops itself. From then on the brokers' links vouch for each other: a broken
 * link wakes whoever follows across it. Should the last heartbeat be lost, the follower goes on ticking, stands, and
 * the leader's answer begins it all again.
 */
import { type Leadership, type State, send, setTicking, termOf } from "./state.js";

/** Stops ticking if nothing has happened for quiesceTicks and nobody needs anything. */
export function quiesceWhenIdle<P>(state: State<P>, leadership: Leadership): void {
  const { log, commit, options, membership } = state;
  const { progress, reads, transfer, idleTicks } = leadership;
  if (idleTicks < options.quiesceTicks || commit !== log.lastIndex || log.syncedIndex !== log.lastIndex) return;
  if (membership.current.incoming !== undefined || transfer !== undefined || reads.confirming !== undefined || reads.waiting.length > 0) return;
  for (const member of progress.values()) {
    if (!member.down && (!member.isCaughtUp(log.lastIndex) || member.silentTicks >= options.electionTicks)) return;
  }
  for (const { member, down } of progress.values()) {
    if (!down) send(state, member, { kind: "heartbeat", term: termOf(state), commit, round: leadership.round, quiesce: true });
  }
  leadership.quiet = true;
  setTicking(state, false);
}

/** Something happens: count idleness from now, and nobody's silence so far against them. */
export function wakeLeader<P>(state: State<P>, leadership: Leadership): void {
  leadership.idleTicks = 0;
  if (!leadership.quiet) return;
  leadership.quiet = false;
  leadership.heartbeatTicks = state.options.heartbeatTicks;
  for (const member of leadership.progress.values()) member.silentTicks = 0;
  setTicking(state, true);
}
