/** Effects and messages as the lines that scenarios expect; what is routine (heartbeats, appends under way) has none. */
import { type Configuration, EntryKind, type Member } from "../../src/consensus/types.js";
import type { ModelEffect, ModelEntry, ModelMessage } from "./model-node.js";

const ids = (members: readonly Member[]): string => members.map(({ replicaId }) => replicaId).join(",") || "none";

export function nameConfiguration({ voters, w, r, learners, incoming }: Configuration): string {
  const old = `voters ${ids(voters)} (${w},${r})`;
  const learning = learners.length === 0 ? "" : ` learners ${ids(learners)}`;
  return incoming === undefined ? `${old}${learning}` : `joint ${old} and ${ids(incoming.voters)} (${incoming.w},${incoming.r})${learning}`;
}

function nameEntry({ index, term, kind, payload, configuration }: ModelEntry): string {
  if (configuration !== undefined) return `${index}/${term} ${nameConfiguration(configuration)}`;
  return `${index}/${term} ${kind === EntryKind.noOp ? "no-op" : JSON.stringify(payload)}`;
}

function nameRole({ role, term, leader }: Extract<ModelEffect, { kind: "role" }>): string {
  switch (role) {
    case "leader":
      return `leads term ${term}`;
    case "pre-candidate":
      return `asks whether it may stand in term ${term + 1}`;
    case "candidate":
      return `stands in term ${term}`;
    case "follower":
    case "learner":
      return `${role === "follower" ? "follows" : "learns from"} ${leader === null ? "nobody" : `n${leader.replicaId}`} in term ${term}`;
  }
}

/** The lines of one effect, without the node's name. */
export function traceEffect(effect: ModelEffect): readonly string[] {
  switch (effect.kind) {
    case "role":
      return [nameRole(effect)];
    case "append":
      return effect.entries.map((entry) => `append ${nameEntry(entry)}`);
    case "truncate":
      return [`truncate ${effect.from}`];
    case "apply":
      return [`commit ${effect.through}`];
    case "refused":
      return [`refuse ${effect.why}`];
    case "read-ready":
      return [`read at ${effect.index}`];
    case "read-failed":
      return ["read fails"];
    case "transfer-ended":
      return [effect.done ? "transfer done" : "transfer given up"];
    case "ticking":
      return [effect.needed ? "wakes" : "sleeps"];
    case "install-snapshot":
      return [`install snapshot ${effect.snapshot.index}/${effect.snapshot.term}`];
    case "doubt-lifted":
      return ["is whole again"];
    default:
      return [];
  }
}

/** The line of a message that is sent, without the sender's name. */
export function traceMessage(to: number, message: ModelMessage): string | undefined {
  switch (message.kind) {
    case "pre-vote-reply":
      return `${message.granted ? "would vote" : "would not vote"} for n${to}`;
    case "vote-reply":
      return `${message.granted ? "votes" : "does not vote"} for n${to} in term ${message.term}`;
    case "append-reply":
      return message.rejected === undefined
        ? `reply ${message.match}`
        : `reject ${message.rejected.previous}, try ${message.rejected.hint.index}/${message.rejected.hint.term}`;
    case "snapshot":
      return `send n${to} snapshot ${message.snapshot.index}/${message.snapshot.term}`;
    case "timeout-now":
      return `tell n${to} to stand`;
    case "tail-reply":
      return `tell n${to} that it ends at ${message.last.index}/${message.last.term}, ${message.log}`;
    case "heartbeat":
      return message.quiesce ? `tell n${to} to sleep` : undefined;
    default:
      return undefined;
  }
}
