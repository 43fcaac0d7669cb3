import { type NodeId, nodeId, replicaId, replicaSetId } from "../../src/base/ids.js";
import { KIB, timing } from "../../src/base/limits.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import type { Configuration } from "../../src/consensus/types.js";
import { LocalHost } from "../../src/replica/host.js";
import type { LocalReplica } from "../../src/replica/replica.js";
import type { CutPolicy } from "../../src/replica/snapshot-plan.js";
import type { ReplicaEnvelope } from "../../src/replica/types.js";
import type { LogSettings } from "../../src/storage/log.js";
import { SegmentedLogs } from "../../src/storage/segmented-logs.js";
import type { SeededRandom } from "../consensus/seeded-random.js";
import { ClusterChecker } from "../simulation/checkers/cluster-checker.js";
import { finalReplica } from "../simulation/checkers/real-replica.js";
import { FakeClock } from "../support/fake-clock.js";
import { FaultyFiles } from "../support/faulty-files.js";
import { FaultyStore } from "../support/faulty-store.js";
import { MemoryStore } from "../support/memory-store.js";
import { Witness } from "./witness.js";

export const SET = replicaSetId(1);

/** A broker's process: what ends with it. */
interface Process {
  readonly host: LocalHost;
  readonly clock: FakeClock;
  readonly store: FaultyStore;
}

/** A broker: its disk lasts, its process comes and goes. */
export interface Broker {
  readonly id: NodeId;
  files: FaultyFiles;
  disk: MemoryStore;
  process: Process | undefined;
  /** Its process ends politely, and has not ended yet. */
  isStopping: boolean;
}

/** Where a broker's log of the set is. */
export const folderOf = ({ id }: Broker): string => `/data/logs/${SET}-${id}/`;

interface Flying {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly envelope: ReplicaEnvelope;
}

export interface FaultyClusterOptions {
  readonly random: SeededRandom;
  readonly nodes: number;
  /** Of these, the first few are voters from the beginning. */
  readonly initial: Configuration;
  readonly cutPolicy: CutPolicy;
  readonly cacheBytes: number;
  readonly logSettings: LogSettings;
  /** Whether a process has one state machine for all replicas that it begins, as for the metadata. */
  readonly isMachineShared?: boolean;
}

const CORE = { heartbeatTicks: 2, electionTicks: 12, suspicionTicks: 3, quiesceTicks: 20, inflightMessagesMax: 3, inflightBytesMax: 4 * KIB };
/** Messages under way; beyond it the oldest is lost. */
const FLYING_MAX = 400;

/** Whole hosts with real segmented logs on disks that lose what was not synced, linked by a network that does what the test wants. */
export class FaultyCluster {
  readonly brokers: readonly Broker[];
  readonly witness = new Witness();
  /** The invariants of the replica set, whatever happens to it. */
  readonly checker: ClusterChecker;
  readonly flying: Flying[] = [];
  /** Pairs `from>to` through which nothing passes. */
  readonly blocked = new Set<string>();
  readonly #options: FaultyClusterOptions;

  constructor(options: FaultyClusterOptions) {
    this.#options = options;
    const partition = { name: "the replica set", cutPolicy: options.cutPolicy, isSyncDeferred: false };
    this.checker = new ClusterChecker({ now: () => 0, partition: () => partition, syncedBy: "log", hearsHardStates: true });
    this.brokers = Array.from({ length: options.nodes }, (_, at) => ({
      id: nodeId(at + 1),
      files: new FaultyFiles(),
      disk: this.#disk(nodeId(at + 1)),
      process: undefined,
      isStopping: false,
    }));
  }

  /** A disk whose hard states and snapshots the checker hears of. */
  #disk(id: NodeId): MemoryStore {
    const disk = new MemoryStore();
    const { saveHardState, saveSnapshot } = disk;
    disk.saveHardState = (set, hardState) => {
      this.checker.saved(id, set, hardState);
      return saveHardState.call(disk, set, hardState);
    };
    disk.saveSnapshot = async (set, snapshot, keep) => {
      await saveSnapshot.call(disk, set, snapshot, keep);
      const kept = await disk.snapshots(set);
      this.checker.keeps(
        id,
        set,
        kept.map(({ index }) => index),
      );
    };
    return disk;
  }

  /** Starts the broker's process and its replica; resolves when that runs, which may be never. */
  async start(broker: Broker): Promise<void> {
    const { cacheBytes, initial, logSettings, random } = this.#options;
    const clock = new FakeClock();
    // Some disks are slow, so that everything else goes on meanwhile.
    const turnsMax = random.oneIn(3) ? 60 : 4;
    const store = new FaultyStore(broker.disk, () => random.below(turnsMax));
    const logs = new SegmentedLogs({ files: broker.files, clock, folder: "/data/logs", store, cacheBytes });
    const process = { host: this.#host(broker, { clock, store, logs }), clock, store };
    broker.process = process;
    for (const other of this.running()) {
      if (other === broker) continue;
      other.process?.host.peerUp(broker.id);
      process.host.peerUp(other.id);
    }
    const member = initial.voters.some((voter) => voter.nodeId === broker.id);
    const blank: Configuration = { voters: [], learners: [], w: 1, r: 1 };
    const spec = { replicaSetId: SET, replicaId: replicaId(broker.id), initial: member ? initial : blank, logSettings };
    await process.host.start(spec);
  }

  #host(broker: Broker, { clock, store, logs }: { clock: FakeClock; store: FaultyStore; logs: SegmentedLogs }): LocalHost {
    const { random, cutPolicy, isMachineShared } = this.#options;
    const shared = isMachineShared ? this.witness.machine() : undefined;
    const below = (bound: number): number => random.below(bound);
    const host: LocalHost = new LocalHost({
      self: broker.id,
      store,
      logs,
      peers: {
        send: (to, envelope) => {
          if (broker.process?.host !== host) return false;
          this.checker.sent(broker.id, envelope);
          return this.#send({ from: broker.id, to, envelope });
        },
        queuedBytes: () => 0,
        takesRecords: () => true,
      },
      clock,
      random: { below, uuid: () => "" },
      logger: silentLogger,
      tickMs: timing.tickMs,
      takesRecords: () => true,
      core: CORE,
      machineFor: () => ({ machine: shared ?? this.witness.machine(), cutPolicy }),
      leadershipChanged: () => undefined,
    });
    return host;
  }

  /** The process is gone, and with the power also what was not synced. */
  async crash(broker: Broker, { power }: { power: boolean }): Promise<void> {
    const { process, files } = broker;
    if (process === undefined) return;
    const below = (bound: number): number => this.#options.random.below(bound);
    const replica = process.host.get(SET);
    if (replica !== undefined) this.witness.died(replica);
    this.checker.ended(broker.id);
    broker.process = undefined;
    broker.isStopping = false;
    files.diesAfter = -1;
    await process.store.die(below);
    broker.files = power ? files.crash(below) : files.restart();
    for (const other of this.running()) other.process?.host.peerDown(broker.id);
  }

  /** Ends the process politely. */
  async stop(broker: Broker): Promise<void> {
    const { process } = broker;
    if (process === undefined) return;
    broker.isStopping = true;
    await process.host.stop();
    await process.store.close();
    if (broker.process !== process) return;
    this.checker.ended(broker.id);
    broker.process = undefined;
    broker.isStopping = false;
    broker.files = broker.files.restart();
    for (const other of this.running()) other.process?.host.peerDown(broker.id);
  }

  running(): Broker[] {
    return this.brokers.filter((broker) => broker.process !== undefined);
  }

  replicas(): LocalReplica[] {
    return this.running().flatMap((broker) => broker.process?.host.get(SET) ?? []);
  }

  leaders(): LocalReplica[] {
    return this.replicas().filter((replica) => replica.role === "leader" && replica.failure === undefined);
  }

  /** One tick of time for a broker. */
  tick({ process }: Broker): void {
    process?.clock.advance(timing.tickMs);
  }

  deliver(at: number, { keep = false } = {}): void {
    const [message] = keep ? this.flying.slice(at, at + 1) : this.flying.splice(at, 1);
    if (message === undefined || this.blocked.has(`${message.from}>${message.to}`)) return;
    const to = this.brokers.find((broker) => broker.id === message.to);
    if (to === undefined) return;
    // Whoever begins is seen before it does anything.
    this.#lookAt(to);
    to.process?.host.receive(message.from, message.envelope);
  }

  look(): void {
    for (const broker of this.running()) this.#lookAt(broker);
    this.#throwViolation();
  }

  /** When all is at rest: everybody has the same, byte for byte. */
  async concludes(): Promise<void> {
    const replicas = await Promise.all(this.replicas().map(finalReplica));
    this.checker.checkers.get(SET)?.concludes(replicas, []);
    this.#throwViolation();
  }

  #throwViolation(): void {
    const { violation } = this.checker;
    if (violation !== undefined) throw new Error(violation.report());
  }

  #lookAt(broker: Broker): void {
    const replica = broker.process?.host.get(SET);
    if (replica !== undefined) this.checker.look(broker.id, replica);
  }

  #send(message: Flying): boolean {
    if (this.flying.length >= FLYING_MAX) this.flying.shift();
    this.flying.push(message);
    return true;
  }
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
