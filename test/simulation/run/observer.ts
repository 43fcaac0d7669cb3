import { EntryKind } from "../../../src/base/entry-kind.js";
import { QuireError } from "../../../src/base/errors.js";
import { METADATA_REPLICA_SET, type ReplicaId, type ReplicaSetId } from "../../../src/base/ids.js";
import { decodeTrimEntry } from "../../../src/base/trim-entry.js";
import { PartitionState } from "../../../src/broker/partition-state.js";
import { MetadataMachine } from "../../../src/cluster/metadata-machine.js";
import type { HostObserver } from "../../../src/node/broker-node.js";
import type { HostOptions, LocalHost } from "../../../src/replica/host.js";
import type { LocalReplica } from "../../../src/replica/replica.js";
import type { Committed, Proposal, StateMachine } from "../../../src/replica/types.js";
import type { Log } from "../../../src/storage/log.js";
import type { ReplicaRecord, ReplicaStore } from "../../../src/storage/replica-store.js";
import { DurableEntries } from "../checkers/durable-entries.js";
import { DurableJournal, type TellingDisk } from "../checkers/durable-journal.js";
import type { FinalReplica, RestingReplica } from "../checkers/observations.js";
import { PartitionChecker } from "../checkers/partition-checker.js";
import { finalReplica, watchLog } from "../checkers/real-replica.js";
import { whyUnsettled } from "../checkers/settled.js";
import type { Actor } from "../kernel/event-queue.js";
import type { Machine } from "../kernel/machine.js";
import type { SimProcess } from "../kernel/sim-process.js";
import type { World } from "../kernel/world.js";
import type { GroupsWatch } from "./groups-watch.js";
import { ProducersWatch } from "./producers-watch.js";
import type { Recorder } from "./recorder.js";

/** A disk's own word: these bytes of a file, if they are there after any power cut. */

interface Watched {
  readonly host: LocalHost;
  readonly replicas: Set<LocalReplica>;
}

/** Tells the checkers of the partitions what happens in all brokers, and looks at every replica after each event of its broker. */
export class Observer {
  /** A disk has deceived its broker: what replicas promise each other means nothing any more. */
  isDeceived = false;
  readonly #world: World;
  readonly #checkers = new Map<ReplicaSetId, PartitionChecker>();
  readonly #watched = new Map<Actor, Watched>();

  /** By replica set, where its partition's name is known. */
  readonly #names = new Map<ReplicaSetId, string>();
  readonly #recorder: Recorder;
  readonly #trimmed = new Map<ReplicaSetId, number>();
  readonly #damaged = new Set<Machine>();
  readonly #producers: ProducersWatch;
  readonly #groups: GroupsWatch | undefined;
  readonly #onDisk = new Map<Machine, Map<ReplicaId, ReplicaRecord>>();

  /** `groups`: absent in a run without consumer groups. */
  constructor(world: World, recorder: Recorder, groups?: GroupsWatch) {
    this.#world = world;
    this.#recorder = recorder;
    this.#groups = groups;
    this.#producers = new ProducersWatch((violation) => {
      if (!this.isDeceived) world.fail(violation);
    });
  }

  get elections(): number {
    let sum = 0;
    for (const checker of this.#checkers.values()) sum += checker.elections;
    return sum;
  }

  /** For one process of a broker. */
  of(process: SimProcess, disk: TellingDisk, told: (host: LocalHost) => void): HostObserver {
    return {
      decorate: (options) => this.#decorated(options, process, disk),
      created: (host) => {
        const watched: Watched = { host, replicas: new Set() };
        this.#watched.set(process, watched);
        told(host);
        process.onDeath(() => {
          this.#watched.delete(process);
          for (const { replicaSetId, replicaId } of watched.replicas) this.#checkers.get(replicaSetId)?.ends(replicaId);
        });
      },
    };
  }

  /** After each event. @throws Violation */
  settled(actor: Actor): void {
    const watched = this.#watched.get(actor);
    if (watched === undefined || this.isDeceived) return;
    for (const replica of watched.host.all()) {
      const checker = this.#checkers.get(replica.replicaSetId);
      if (checker === undefined) continue;
      if (!watched.replicas.has(replica)) this.#adopt(watched, replica, checker);
      checker.look(replica);
      if (checker.violation !== undefined) throw checker.violation;
    }
  }

  /** A disk does not hold any more what it held. */
  damaged(machine: Machine): void {
    this.#damaged.add(machine);
  }

  /** Whether a log could not be read because its disk was damaged. */
  isDamage(error: unknown): boolean {
    return error instanceof QuireError && error.reason === "LOG_CORRUPT" && this.#damaged.size > 0;
  }

  /** A disk was wiped or put back: what was promised by its replicas is void. */
  lost(machine: Machine): void {
    for (const { replicaSetId, replicaId } of this.#onDisk.get(machine)?.values() ?? []) this.#checkers.get(replicaSetId)?.forgets(replicaId);
    this.#onDisk.delete(machine);
  }

  /** Whether every replica set has a serving leader, and all its members have on disk and applied what it has. */
  allAgree(hosts: readonly LocalHost[]): boolean {
    return this.#whyNot(hosts) === undefined;
  }

  /**
   * Whether all that has not come to rest may have halted for good: the ends of logs are in doubt (rule 10), after power cuts or failed syncs,
   * and with the disks that are lost besides, fewer voters are left to say what was there than an election needs. Safe, and not live; see
   * README. Without the metadata nobody learns what else to run.
   */
  mayHaveHalted(hosts: readonly LocalHost[]): boolean {
    const sets = bySet(hosts);
    const metadata = sets.get(METADATA_REPLICA_SET) ?? [];
    const unsettled = [...sets.values()].filter((replicas) => whyUnsettled(replicas.map(restingReplica)) !== undefined);
    return isShortOfVoters(metadata) || (unsettled.length > 0 && unsettled.every(isShortOfVoters));
  }

  describe(hosts: readonly LocalHost[]): string[] {
    const why = this.#whyNot(hosts);
    const lines = why === undefined ? [] : [why];
    for (const host of hosts) {
      for (const { replicaSetId, replicaId, role, term, commitIndex, appliedIndex, log, serving, failure, configuration } of host.all()) {
        const voters = `${configuration.voters.map((voter) => voter.replicaId).join(",")} (${configuration.w},${configuration.r})`;
        const state = `${serving ? "serving " : ""}${role}, term ${term}, commit ${commitIndex}, applied ${appliedIndex}, last ${log.lastIndex}, voters ${voters}`;
        lines.push(
          `set ${replicaSetId} replica ${replicaId}: ${state}${log.doubt === undefined ? "" : ", in doubt"}${failure === undefined ? "" : `, ${failure.message}`}`,
        );
      }
    }
    return lines;
  }

  /** Reads every log to its end, and compares all. False when something was written meanwhile: leaders tell the time on their own. @throws Violation */
  async concludes(hosts: readonly LocalHost[], openRequests: readonly string[]): Promise<boolean> {
    for (const [id, replicas] of bySet(hosts)) {
      const checker = this.#checkers.get(id);
      const finals: FinalReplica[] = [];
      for (const replica of replicas) finals.push(await finalReplica(replica));
      if (whyUnsettled(finals) !== undefined) return false;
      checker?.concludes(finals, openRequests);
      if (checker?.violation !== undefined) throw checker.violation;
    }
    return true;
  }

  #whyNot(hosts: readonly LocalHost[]): string | undefined {
    for (const [id, replicas] of bySet(hosts)) {
      const why = whyUnsettled(replicas.map(restingReplica));
      if (why !== undefined) return `set ${id}: ${why}`;
    }
    return undefined;
  }

  #diskOf({ machine }: SimProcess): Map<ReplicaId, ReplicaRecord> {
    let replicas = this.#onDisk.get(machine);
    if (replicas === undefined) {
      replicas = new Map();
      this.#onDisk.set(machine, replicas);
    }
    return replicas;
  }

  #checkerOf(id: ReplicaSetId): PartitionChecker {
    let checker = this.#checkers.get(id);
    if (checker === undefined) {
      const cutPolicy = id === METADATA_REPLICA_SET ? "state" : "records";
      checker = new PartitionChecker({ name: `replica set ${id}`, now: () => this.#world.nowMs, cutPolicy, isSyncDeferred: false });
      this.#checkers.set(id, checker);
    }
    return checker;
  }

  #adopt(watched: Watched, replica: LocalReplica, checker: PartitionChecker): void {
    watched.replicas.add(replica);
    const propose = replica.propose.bind(replica);
    replica.propose = (proposal, done, options) => propose(proposal, (outcome) => done(this.#answered(replica, checker, proposal, outcome)), options);
  }

  #answered(replica: LocalReplica, checker: PartitionChecker, { kind, batch }: Proposal, outcome: Committed | Error): Committed | Error {
    if (outcome instanceof Error || kind !== EntryKind.records) return outcome;
    checker.look(replica);
    const bodyCrc32 = batch?.crc32;
    const { baseOffset, term } = outcome;
    checker.acknowledged(bodyCrc32 === undefined ? { baseOffset, term } : { baseOffset, term, bodyCrc32 });
    return outcome;
  }

  #decorated(options: HostOptions, process: SimProcess, disk: TellingDisk): HostOptions {
    const journal = new DurableJournal(disk, "/data/journal");
    const ids = new Map<ReplicaSetId, ReplicaId>();
    return {
      ...options,
      store: this.#store(options.store, process, ids),
      machineFor: (id) => {
        const chosen = options.machineFor(id);
        if (chosen.machine instanceof MetadataMachine) {
          this.#learnNames(chosen.machine);
          this.#groups?.watchMetadata(chosen.machine);
        } else {
          this.#watchTrims(id, chosen.machine);
          if (chosen.machine instanceof PartitionState) {
            this.#producers.watch(id, chosen.machine);
            this.#groups?.watch(id, chosen.machine);
          }
        }
        return chosen;
      },
      logs: {
        open: async (record, settings, callbacks) => {
          const checker = this.#checkerOf(record.replicaSetId);
          ids.set(record.replicaSetId, record.replicaId);
          let durable: DurableEntries | undefined;
          const log = await options.logs.open(record, settings, {
            ...callbacks,
            onSynced: (last) => {
              // Files that vanish while they are open are written on, and synced: then only the log's word is left.
              const through = this.#damaged.has(process.machine) ? last : durable?.synced(last);
              if (process.isAlive && through !== undefined) checker.synced(record.replicaId, through);
              callbacks.onSynced(last);
            },
          });
          durable = new DurableEntries({ log, folder: `/data/logs/${record.replicaSetId}-${record.replicaId}`, disk, journal: { journal, record } });
          const hardState = await options.store.hardState(record.replicaSetId);
          const snapshots = (await options.store.snapshots(record.replicaSetId)).map(({ index }) => index);
          this.#diskOf(process).set(record.replicaId, record);
          const { logStart: start, lastIndex, termRuns, doubt } = log;
          checker.begins(record.replicaId, { start, lastIndex, termRuns: [...termRuns], isInDoubt: doubt !== undefined, hardState, snapshots });
          return this.#tellOf(log, record, process, durable);
        },
        setAside: (record) => options.logs.setAside(record),
        delete: async (record) => {
          await options.logs.delete(record);
          this.#diskOf(process).delete(record.replicaId);
          this.#checkers.get(record.replicaSetId)?.removed(record.replicaId);
        },
      },
      peers: {
        queuedBytes: (to) => options.peers.queuedBytes(to),
        takesRecords: (to) => options.peers.takesRecords(to),
        send: (to, envelope) => {
          if (process.isAlive) this.#checkers.get(envelope.replicaSetId)?.says(envelope.from, envelope.to, envelope.message);
          return options.peers.send(to, envelope);
        },
      },
    };
  }

  /** Names last longer than topics: a topic made anew has other replica sets. */
  #learnNames(machine: MetadataMachine): void {
    machine.watch(() => {
      for (const { name, assignments } of machine.state.topics.values()) {
        for (const { replicaSetId, partition } of assignments) this.#names.set(replicaSetId, `${name}/${partition}`);
      }
    });
  }

  /** The first replica to apply a trim has it committed. */
  #watchTrims(id: ReplicaSetId, machine: StateMachine): void {
    const apply = machine.apply.bind(machine);
    machine.apply = (frame) => {
      apply(frame);
      if (frame.kind !== EntryKind.trim) return;
      const before = decodeTrimEntry(frame.body);
      const name = this.#names.get(id);
      if (name === undefined || before <= (this.#trimmed.get(id) ?? 0)) return;
      this.#trimmed.set(id, before);
      this.#recorder.trimmed(name, before);
    };
  }

  /** `ids` are the replicas of this process, by set. What is told must be told in the order in which it came about: nothing is awaited for it. */
  #store(store: ReplicaStore, process: SimProcess, ids: ReadonlyMap<ReplicaSetId, ReplicaId>): ReplicaStore {
    const tell = (id: ReplicaSetId, what: (checker: PartitionChecker, replica: ReplicaId) => void): void => {
      const [checker, replica] = [this.#checkers.get(id), ids.get(id)];
      if (checker !== undefined && replica !== undefined && process.isAlive) what(checker, replica);
    };
    return {
      replicas: () => store.replicas(),
      createReplica: (record, initial) => store.createReplica(record, initial),
      removeReplica: (id) => store.removeReplica(id),
      hardState: (id) => store.hardState(id),
      saveHardState: async (id, hardState) => {
        await store.saveHardState(id, hardState);
        tell(id, (checker, replica) => checker.saved(replica, hardState));
      },
      snapshots: (id) => store.snapshots(id),
      saveSnapshot: async (id, snapshot, keep) => {
        await store.saveSnapshot(id, snapshot, keep);
        tell(id, (checker, replica) => checker.keeps(replica, [snapshot.index, ...keep]));
      },
      get: (key) => store.get(key),
      put: (key, value) => store.put(key, value),
      close: () => store.close(),
    };
  }

  /** The same log, which tells what becomes of it. */
  #tellOf(log: Log, { replicaSetId, replicaId }: ReplicaRecord, process: SimProcess, durable: DurableEntries): Log {
    const checker = this.#checkerOf(replicaSetId);
    const replica = (): LocalReplica | undefined => {
      const found = this.#watched.get(process)?.host.get(replicaSetId);
      return found?.replicaId === replicaId ? found : undefined;
    };
    watchLog(log, {
      id: replicaId,
      checker,
      durable,
      isOn: () => process.isAlive,
      isLeader: () => replica()?.role === "leader",
      look: () => {
        const found = replica();
        if (found !== undefined) checker.look(found);
      },
    });
    return log;
  }
}

function bySet(hosts: readonly LocalHost[]): Map<ReplicaSetId, LocalReplica[]> {
  const sets = new Map<ReplicaSetId, LocalReplica[]>();
  for (const host of hosts) {
    for (const replica of host.all()) {
      const found = sets.get(replica.replicaSetId);
      if (found === undefined) sets.set(replica.replicaSetId, [replica]);
      else found.push(replica);
    }
  }
  return sets;
}

function restingReplica(replica: LocalReplica): RestingReplica {
  const { replicaId, role, term, commitIndex, appliedIndex, highWatermark, serving, configuration, failure, log } = replica;
  const isInDoubt = log.doubt !== undefined;
  const matchOf: RestingReplica["matchOf"] = (id) => replica.matchOf(id);
  return { replicaId, role, term, commitIndex, appliedIndex, highWatermark, serving, configuration, failure, lastIndex: log.lastIndex, isInDoubt, matchOf };
}

/** Whether voters in doubt and voters that are gone are more than the set can do without, and at least one is in doubt. */
function isShortOfVoters(replicas: readonly LocalReplica[]): boolean {
  // After a restart nobody knows what is committed; then the configuration of the longest log is in force, or may be.
  const newest = replicas.reduce<LocalReplica | undefined>((best, each) => (best !== undefined && compareLength(best, each) >= 0 ? best : each), undefined);
  if (newest === undefined) return false;
  const isSound = (id: ReplicaId): boolean => replicas.some(({ replicaId, log }) => replicaId === id && log.doubt === undefined);
  const { configuration } = newest;
  const sets = configuration.incoming === undefined ? [configuration] : [configuration, configuration.incoming];
  const isShort = sets.some(({ voters, w, r }) => voters.filter(({ replicaId }) => isSound(replicaId)).length < Math.max(w, r));
  return isShort && replicas.some(({ log }) => log.doubt !== undefined);
}

function compareLength(a: LocalReplica, b: LocalReplica): number {
  const lastTerm = ({ log }: LocalReplica): number => log.termAt(log.lastIndex) ?? 0;
  return a.commitIndex - b.commitIndex || lastTerm(a) - lastTerm(b) || a.log.lastIndex - b.log.lastIndex;
}
