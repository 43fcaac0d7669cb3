import { unreachable } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { LogIndex } from "../base/ids.js";
import type { ProposalRefusal, RequestId } from "../consensus/types.js";
import type { Committed, LeaderHint, Placed } from "./types.js";

/** What was proposed and has no place in the log yet. */
export interface ProposalRequest {
  /** Records it carries; 0 for other kinds. */
  readonly recordCount: number;
  readonly done: (outcome: Committed | Error) => void;
  readonly placed: ((at: Placed) => void) | undefined;
  readonly onDisk: ((at: Placed) => void) | undefined;
}

interface Read {
  readonly resolve: (index: LogIndex) => void;
  readonly reject: (error: Error) => void;
}

interface Transfer {
  readonly ended: (done: boolean) => void;
}

type Request = ProposalRequest | Read | Transfer;

/** Requests between this replica's callers and the core, by the id the core answers with; each is answered once. */
export class PendingRequests {
  /** The last one asked, while it is not answered: nearly always it is answered before the next. */
  #newest: { readonly id: RequestId; readonly request: Request } | undefined;
  /** The others, of all kinds, made when there is something to keep: most of ten thousand replicas never are asked. */
  #requests: Map<RequestId, Request> | undefined;
  /** Confirmed reads that wait for their index to be applied, in the order of confirmation. */
  readonly #unapplied: { index: LogIndex; read: Read }[] = [];
  #last: RequestId = 0;

  addProposal(request: ProposalRequest): RequestId {
    return this.#add(request);
  }

  addRead(read: Read): RequestId {
    return this.#add(read);
  }

  addTransfer(ended: (done: boolean) => void): RequestId {
    return this.#add({ ended });
  }

  takeProposal(id: RequestId): ProposalRequest | undefined {
    const request = this.#take(id);
    return request !== undefined && "recordCount" in request ? request : undefined;
  }

  readConfirmed(id: RequestId, index: LogIndex, applied: LogIndex): void {
    const read = this.#take(id);
    if (read === undefined || !("resolve" in read)) return;
    if (index <= applied) read.resolve(index);
    else this.#unapplied.push({ index, read });
  }

  readFailed(id: RequestId, why: Error): void {
    const read = this.#take(id);
    if (read !== undefined && "reject" in read) read.reject(why);
  }

  applied(index: LogIndex): void {
    for (let next = this.#unapplied[0]; next !== undefined && next.index <= index; next = this.#unapplied[0]) {
      this.#unapplied.shift();
      next.read.resolve(next.index);
    }
  }

  transferEnded(id: RequestId, done: boolean): void {
    const transfer = this.#take(id);
    if (transfer !== undefined && "ended" in transfer) transfer.ended(done);
  }

  /** The replica ends: nothing here was appended. */
  endAll(why: Error): void {
    const newest = this.#newest === undefined ? [] : [this.#newest.request];
    const requests = [...(this.#requests?.values() ?? []), ...newest, ...this.#unapplied.map(({ read }) => read)];
    this.#requests = undefined;
    this.#newest = undefined;
    this.#unapplied.length = 0;
    for (const request of requests) {
      if ("recordCount" in request) request.done(why);
      else if ("reject" in request) request.reject(why);
      else request.ended(false);
    }
  }

  #add(request: Request): RequestId {
    this.#last += 1;
    if (this.#newest !== undefined) {
      this.#requests ??= new Map();
      this.#requests.set(this.#newest.id, this.#newest.request);
    }
    this.#newest = { id: this.#last, request };
    return this.#last;
  }

  #take(id: RequestId): Request | undefined {
    if (this.#newest?.id === id) {
      const { request } = this.#newest;
      this.#newest = undefined;
      return request;
    }
    const request = this.#requests?.get(id);
    this.#requests?.delete(id);
    return request;
  }
}

export function notLeader(leader: LeaderHint | null): QuireError {
  if (leader === null) return new QuireError("LEADER_UNKNOWN", "no leader is known; an election may be under way", { retryAfterMs: 100 });
  return new QuireError("NOT_LEADER", `broker ${leader.nodeId} leads, in term ${leader.term}`, { details: { leaderNodeId: leader.nodeId, term: leader.term } });
}

/** More reads wait for one leader's confirmation than it keeps. */
export const tooManyReads = (): QuireError =>
  new QuireError("THROTTLED", "too many linearizable reads wait for this leader to be confirmed; try again in a moment", { retryAfterMs: 100 });

/** Why the core took a proposal not; nothing was appended. */
export function refusalError(why: ProposalRefusal, leader: LeaderHint | null): QuireError {
  switch (why) {
    case "not-leader":
      return notLeader(leader);
    case "transferring":
      return new QuireError("LEADER_UNKNOWN", "leadership is being handed over; try again in a moment", { retryAfterMs: 50 });
    case "reconfiguring":
      return new QuireError(
        "RECONFIGURATION_IN_PROGRESS",
        "another change of members, W or R is under way; they are made one at a time: try again when it is done",
        { retryAfterMs: 500 },
      );
    case "term-not-committed":
      return new QuireError("NOT_READY", "the leader was elected a moment ago and has not committed an entry of its term", { retryAfterMs: 50 });
    case "invalid":
      return new QuireError("INVALID_QUORUM", "the wanted members, W and R are not a safe configuration");
    default:
      return unreachable(why);
  }
}
