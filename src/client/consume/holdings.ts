/**
 * What a consumer holds, brought in line with what it shall own: new partitions are claimed and begun, those no longer assigned are finished, committed and
 * given back, and all others notice nothing. A partition is held from the assignment that brings it until its handler has come to an end.
 */
import type { QuireError } from "../../base/errors.js";
import { closedError } from "../connections.js";
import { pause } from "../ports.js";
import type { Begin, ClaimParts } from "./claims.js";
import { claim } from "./claims.js";
import type { Commits, Committer, OwnedPlace } from "./committer.js";
import type { PartitionWork } from "./partition-work.js";

export interface HoldingsParts extends ClaimParts {
  readonly committer: Committer;
  /** Begins to read and to work. @param failed what no retry can heal */
  start(commits: Commits, begin: Begin, failed: (thrown: unknown) => void): PartitionWork<unknown>;
  /** The work has ended: nothing more is read. */
  stopped(place: OwnedPlace): void;
  failed(thrown: unknown): void;
  /** What is held has changed, or an assignment was dealt with. */
  tell(stream: number, version: number, places: readonly OwnedPlace[]): void;
}

interface Held extends OwnedPlace {
  readonly key: string;
  /** Undefined while it is being claimed. */
  work: PartitionWork<unknown> | undefined;
  commits: Commits | undefined;
  leaving: Promise<void> | undefined;
  isGone: boolean;
}

/** Until what the coordinator and a leader say of a partition is compared again. */
const DISAGREEMENT_MS = 500;

const keyOf = ({ topic, partition }: OwnedPlace): string => `${topic}/${partition}`;

export class Holdings {
  readonly #parts: HoldingsParts;
  readonly #held = new Map<string, Held>();
  /** Lost, with their handler still at work: the partition is not begun anew before that has come to its end. */
  readonly #former = new Map<string, PartitionWork<unknown>>();
  readonly #closed = new AbortController();
  #target: ReadonlyMap<string, OwnedPlace> = new Map();
  #stream = 0;
  #version = 0;
  #isTelling = false;

  constructor(parts: HoldingsParts) {
    this.#parts = parts;
  }

  /** At work or about to be, and not being given back. */
  get works(): readonly { readonly place: OwnedPlace; readonly work: PartitionWork<unknown> | undefined; readonly commits: Commits | undefined }[] {
    return [...this.#held.values()].filter(({ leaving }) => leaving === undefined).map((held) => ({ place: held, work: held.work, commits: held.commits }));
  }

  /** Everything under way: what is being given back, and what is lost and has not come to its end, too. */
  get underWay(): readonly PartitionWork<unknown>[] {
    return [...this.#former.values(), ...[...this.#held.values()].flatMap(({ work }) => (work === undefined ? [] : [work]))];
  }

  assign(stream: number, version: number, partitions: readonly OwnedPlace[]): void {
    if (this.#closed.signal.aborted) return;
    this.#stream = stream;
    this.#version = version;
    this.#target = new Map(partitions.map((place) => [keyOf(place), place]));
    for (const held of this.#held.values()) if (this.#target.get(held.key)?.generation !== held.generation) this.#giveBack(held);
    this.#begin([...this.#target.values()].filter((place) => !this.#held.has(keyOf(place))));
    this.#tell();
  }

  /** All that is held is others'. */
  fenced(why: QuireError): void {
    this.#target = new Map();
    for (const held of this.#held.values()) this.#lose(held, why);
  }

  /** This one hangs: it is not waited for. */
  abandon(work: PartitionWork<unknown>, why: QuireError): void {
    for (const held of this.#held.values()) if (held.work === work) this.#lose(held, why);
  }

  /** Gives everything back; resolves when all work has ended and is committed. */
  async drain(): Promise<void> {
    this.#target = new Map();
    for (const held of this.#held.values()) this.#giveBack(held);
    await Promise.all([...this.#held.values()].map(({ leaving }) => leaving));
  }

  /** Waits for nothing: handlers are told to stop. */
  close(why: QuireError = closedError()): void {
    this.fenced(why);
    this.#closed.abort(why);
  }

  #begin(places: readonly OwnedPlace[]): void {
    if (places.length === 0 || this.#closed.signal.aborted) return;
    const fresh = places.map(({ topic, partition, generation }): Held => {
      const held = { topic, partition, generation, key: keyOf({ topic, partition, generation }), work: undefined, commits: undefined, leaving: undefined };
      return { ...held, isGone: false };
    });
    for (const held of fresh) this.#held.set(held.key, held);
    const isWanted = (held: Held): boolean => held.leaving === undefined && !held.isGone;
    const outcome = {
      begin: (held: Held, begin: Begin): void => {
        if (!isWanted(held)) return;
        const former = this.#former.get(held.key);
        if (former === undefined) this.#start(held, begin);
        else void former.ended().then(() => isWanted(held) && this.#start(held, begin));
      },
      lost: (held: Held, why: QuireError): void => this.#lose(held, why),
    };
    for (const places of this.#byLeader(fresh)) {
      claim(this.#parts, places, isWanted, outcome, this.#closed.signal).catch((thrown: unknown) => this.#parts.failed(thrown));
    }
  }

  /** Apart, so that those of a broker that does not answer delay no others. */
  #byLeader(places: readonly Held[]): Iterable<readonly Held[]> {
    const groups = new Map<number, Held[]>();
    for (const held of places) {
      const nodeId = this.#parts.metadata.cache.leader(held.topic, held.partition)?.nodeId ?? 0;
      const group = groups.get(nodeId);
      if (group === undefined) groups.set(nodeId, [held]);
      else group.push(held);
    }
    return groups.values();
  }

  #start(held: Held, begin: Begin): void {
    const { committer } = this.#parts;
    const { topic, partition, generation } = held;
    held.commits = committer.track({ topic, partition, generation }, (why) => this.#lose(held, why));
    held.commits.committed = begin.committed;
    if (begin.fix >= 0) held.commits.mark(begin.fix);
    held.work = this.#parts.start(held.commits, begin, (thrown) => {
      if (!held.isGone) this.#parts.failed(thrown);
    });
  }

  #giveBack(held: Held): void {
    held.leaving ??= this.#finish(held);
  }

  async #finish(held: Held): Promise<void> {
    await held.work?.stop();
    if (held.commits?.isDirty === true && !held.isGone) {
      const { ports, options } = this.#parts;
      const { signal } = this.#closed;
      // Without a leader nobody else can begin the partition either; then what is not committed comes again.
      await Promise.race([held.commits.settled().catch(() => {}), pause(ports.clock, options.deliveryTimeoutMs, signal)]);
    }
    this.#drop(held);
  }

  #lose(held: Held, why: QuireError): void {
    if (held.isGone) return;
    const { options, group } = this.#parts;
    const { topic, partition, generation } = held;
    options.logger.info({ group, topic, partition, generation, why: why.message }, "a partition is lost: what was not committed comes again, elsewhere");
    held.work?.lose(why);
    held.commits?.lose(why, true);
    if (held.work !== undefined) this.#outlives(held.key, held.work);
    this.#drop(held);
  }

  #outlives(key: string, work: PartitionWork<unknown>): void {
    this.#former.set(key, work);
    void work.ended().then(() => {
      if (this.#former.get(key) === work) this.#former.delete(key);
    });
  }

  #drop(held: Held): void {
    if (held.isGone) return;
    held.isGone = true;
    held.commits?.lose(closedError(), true);
    this.#held.delete(held.key);
    this.#parts.stopped(held);
    const next = this.#target.get(held.key);
    if (next !== undefined && next.generation !== held.generation) this.#begin([next]);
    else if (next !== undefined) this.#tryAgain(held);
    this.#tell();
  }

  /** A leader says that it is others', and the coordinator has not said so (yet): one of the two is behind, and nobody else would begin it. */
  #tryAgain({ key, generation }: Held): void {
    this.#parts.ports.clock.after(DISAGREEMENT_MS, () => {
      const wanted = this.#target.get(key);
      if (wanted?.generation === generation && !this.#held.has(key)) this.#begin([wanted]);
      this.#tell();
    });
  }

  /** Once for all that changes in one turn. */
  #tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#parts.ports.clock.soon(() => {
      this.#isTelling = false;
      const places = [...this.#held.values()].map(({ topic, partition, generation }) => ({ topic, partition, generation }));
      if (!this.#closed.signal.aborted) this.#parts.tell(this.#stream, this.#version, places);
    });
  }
}
