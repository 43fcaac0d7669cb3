import type { LogIndex, ReplicaId, Term } from "../base/ids.js";
import type { Doubt, LogPosition, Message } from "./types.js";

export type TailReply = Extract<Message, { kind: "tail-reply" }>;

/** A doubt and what was learned about it since; `doubt.ts` has the argument. */
export interface DoubtState extends Doubt {
  /** Whatever may be missing was acknowledged in this term or before. */
  readonly bootTerm: Term;
  /** Drawn once, so that no answer given to an earlier doubt is taken for one to this. */
  nonce: number | undefined;
  /** The newest answer of each replica. */
  readonly answers: Map<ReplicaId, TailReply>;
  /** No log that ends before this holds all that this replica may have acknowledged; undefined while unknown. */
  floor: LogPosition | undefined;
  /** The leader's last entry at first contact in this term. */
  goal: { readonly term: Term; readonly index: LogIndex } | undefined;
  /** Ticks until it asks again. */
  waitTicks: number;
}

export const doubtOf = (doubt: Doubt, bootTerm: Term): DoubtState => ({
  kind: doubt.kind,
  from: doubt.from,
  bootTerm,
  nonce: undefined,
  answers: new Map(),
  floor: undefined,
  goal: undefined,
  waitTicks: 0,
});
