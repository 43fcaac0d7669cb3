import { QuireError, toQuireError } from "../base/errors.js";
import { METADATA_REPLICA_SET, type NodeId, type ReplicaId, type ReplicaSetId } from "../base/ids.js";
import type { Clock, Logger } from "../base/ports.js";
import type { Configuration, LogSettings, QuorumSet, Replica, ReplicaHost, ReplicaRecord } from "../replica/types.js";
import { CatchUp } from "./catch-up.js";
import type { MetadataMachine } from "./metadata-machine.js";
import type { MetadataChange } from "./metadata-state.js";
import { planConfiguration, planReplica } from "./reconcile-plan.js";
import { WorkQueue } from "./work-queue.js";

export interface ReconcilerOptions {
  readonly self: NodeId;
  readonly incarnation: string;
  readonly machine: MetadataMachine;
  readonly host: ReplicaHost;
  /** Every replica that has data on this broker's disk. */
  readonly stored: () => Promise<readonly ReplicaRecord[]>;
  /** For replicas that run before the metadata could say what their topic wants. */
  readonly logSettings: LogSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A replica was stopped and its data deleted. */
  readonly onRemoved: (id: ReplicaSetId) => void;
  /** Another disk took this broker's place: nothing that is here counts any more. The process should end. */
  readonly onReplaced: (why: QuireError) => void;
}

/** Replicas begun or changed at a time. Each waits for several syncs, which a file system carries out together: with 8, 1,000 were begun in the time of 1,600. */
const CONCURRENCY = 24;
/** Replicas opened at a time: each may read the end of its log. */
const RESUMES_MAX = 8;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;
/** Above the longest pause between two looks, so that a round can be seen to end in time. */
const CATCH_UP_ROUND_MS_MAX = 2 * RETRY_MS_MAX;
/** Whoever creates from this has no say: the host shall find the replica on its disk. */
const NOBODY: Configuration = { voters: [], learners: [], w: 1, r: 1 };
const withoutLearners = ({ voters, w, r }: QuorumSet): Configuration => ({ voters, learners: [], w, r });

/**
 * Makes what this broker runs what the metadata wants: starts, updates and removes replicas, and, where it leads, brings the replica
 * set's configuration to the wanted one. Looks only at sets that something happened to; without any it costs nothing.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #work: WorkQueue<ReplicaSetId>;
  readonly #catchUp = new CatchUp(CATCH_UP_ROUND_MS_MAX);
  readonly #stored = new Map<ReplicaSetId, ReplicaId>();
  /** Settings each running replica was told last. */
  readonly #told = new Map<ReplicaSetId, LogSettings>();
  /** The metadata's replica once it was current: its state only goes forward. Another one, begun anew after damage, is old again. */
  #freshMetadata: Pick<Replica, "current"> | undefined;
  #unwatch: () => void = () => undefined;
  /** Last complaint about each set, so that the same one is not logged at every try. */
  readonly #complaints = new Map<ReplicaSetId, string>();
  #replaced = false;
  #stop: () => void = () => undefined;
  readonly #stopping = new Promise<void>((resolve) => {
    this.#stop = resolve;
  });

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#work = new WorkQueue({
      clock: options.clock,
      concurrency: CONCURRENCY,
      retryMsMin: RETRY_MS_MIN,
      retryMsMax: RETRY_MS_MAX,
      run: (id) => this.#reconcile(id),
    });
  }

  /** Replica sets that are not as wanted yet. */
  get pending(): number {
    return this.#work.size;
  }

  /**
   * Runs every replica of partitions that this broker has on disk, without waiting for the metadata: they are its own, and elections
   * need them. Then follows the metadata. Resolves when all that could be opened run. The metadata's own replica is not started here.
   */
  async start(): Promise<void> {
    for (const { replicaSetId, replicaId } of await this.#options.stored()) {
      if (replicaSetId !== METADATA_REPLICA_SET) this.#stored.set(replicaSetId, replicaId);
    }
    this.#unwatch = this.#options.machine.watch((change) => this.#metadataChanged(change));
    const ids = [...this.#stored.keys()];
    await Promise.all(Array.from({ length: RESUMES_MAX }, () => this.#resume(ids)));
    this.#metadataChanged({ all: true, brokers: true, replicaSets: [], groups: [] });
  }

  /** Role, term, leader, `serving` or `current` of a replica changed: who begins to lead looks after the configuration. */
  leadershipChanged(replica: Pick<Replica, "replicaSetId" | "role" | "serving" | "current">): void {
    if (replica.replicaSetId === METADATA_REPLICA_SET && replica.current) this.#freshMetadata = replica;
    if (replica.role === "leader" && replica.serving) this.#work.add(replica.replicaSetId);
  }

  async stop(): Promise<void> {
    this.#unwatch();
    this.#stop();
    await this.#work.stop();
  }

  async #resume(ids: ReplicaSetId[]): Promise<void> {
    const { machine } = this.#options;
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      const replicaId = this.#stored.get(id);
      if (replicaId === undefined || machine.state.isDeleted(id)) continue;
      await this.#start(id, replicaId).catch((error: unknown) => this.#failed(id, error));
    }
  }

  #metadataChanged(change: MetadataChange): void {
    const { machine, self, incarnation, onReplaced } = this.#options;
    if (change.brokers && !this.#replaced && machine.state.isRetired(incarnation)) {
      this.#replaced = true;
      onReplaced(
        new QuireError("CLUSTER_MISMATCH", `another disk took the place of broker ${self}; empty this one's data folder before it runs again`, {
          details: { nodeId: self, incarnation },
        }),
      );
    }
    const ids = change.all ? this.#all() : change.replicaSets;
    for (const id of ids) this.#work.add(id);
  }

  *#all(): Iterable<ReplicaSetId> {
    yield METADATA_REPLICA_SET;
    yield* this.#stored.keys();
    for (const topic of this.#options.machine.state.topics.values()) for (const partition of topic.assignments) yield partition.replicaSetId;
  }

  async #reconcile(id: ReplicaSetId): Promise<"done" | "again"> {
    if (this.#replaced) return "done";
    try {
      if (id !== METADATA_REPLICA_SET && (await this.#reconcileReplica(id)) === "again") return "again";
      const outcome = await this.#reconcileConfiguration(id);
      this.#complaints.delete(id);
      return outcome;
    } catch (error) {
      this.#failed(id, error);
      return "again";
    }
  }

  async #reconcileReplica(id: ReplicaSetId): Promise<"done" | "again"> {
    const { host, onRemoved } = this.#options;
    const wanted = this.#wantedHere(id);
    const running = host.get(id) !== undefined;
    const action = planReplica({ wanted, stored: this.#stored.get(id), running, deleted: this.#options.machine.state.isDeleted(id), fresh: this.#isFresh() });
    if (action === "wait") return "again";
    if (action === "remove") {
      await host.remove(id);
      this.#stored.delete(id);
      this.#told.delete(id);
      onRemoved(id);
    } else if (action === "start" && wanted !== undefined) {
      await this.#start(id, wanted);
    } else if (running) {
      this.#tellSettings(id);
    }
    return "done";
  }

  /** Only a state of the metadata that knows this very disk says anything about its replicas: before, they were another disk's. */
  #wantedHere(id: ReplicaSetId): ReplicaId | undefined {
    const { machine, self, incarnation } = this.#options;
    if (machine.state.brokers.get(self)?.incarnation !== incarnation) return undefined;
    return machine.state.partitionOf(id)?.partition.replicas.find((replica) => replica.nodeId === self)?.replicaId;
  }

  #isFresh(): boolean {
    const metadata = this.#options.host.get(METADATA_REPLICA_SET);
    if (metadata?.current === true) this.#freshMetadata = metadata;
    return metadata !== undefined && metadata === this.#freshMetadata;
  }

  async #start(id: ReplicaSetId, replicaId: ReplicaId): Promise<void> {
    const found = this.#options.machine.state.partitionOf(id);
    const logSettings = this.#settingsOf(id) ?? this.#options.logSettings;
    const initial: Configuration = found === undefined ? NOBODY : withoutLearners(found.partition.initial);
    // Before it begins: what may have been written must be removed some day.
    this.#stored.set(id, replicaId);
    await this.#options.host.start({ replicaSetId: id, replicaId, initial, logSettings });
    this.#told.set(id, logSettings);
  }

  #tellSettings(id: ReplicaSetId): void {
    const settings = this.#settingsOf(id);
    const told = this.#told.get(id);
    if (settings === undefined || (told !== undefined && sameSettings(settings, told))) return;
    this.#options.host.update(id, settings);
    this.#told.set(id, settings);
  }

  #settingsOf(id: ReplicaSetId): LogSettings | undefined {
    const settings = this.#options.machine.state.partitionOf(id)?.topic.settings;
    if (settings === undefined) return undefined;
    const { segmentBytes, segmentAgeMs, flush, flushIntervalMs } = settings;
    return { segmentBytes, segmentAgeMs, flush, flushIntervalMs };
  }

  async #reconcileConfiguration(id: ReplicaSetId): Promise<"done" | "again"> {
    const { host, machine, clock, logger } = this.#options;
    const replica = host.get(id);
    const wanted = machine.state.wanted(id);
    if (replica === undefined || wanted === undefined || replica.role !== "leader" || !replica.serving) {
      this.#catchUp.forget(id);
      return "done";
    }
    // What is in force may rest on metadata that was not applied here yet: whoever knows less waits, lest a change be undone.
    const basis = host.get(METADATA_REPLICA_SET)?.appliedIndex ?? 0;
    if ((replica.configuration.basis ?? 0) > basis) return "again";
    const plan = planConfiguration(replica.configuration, wanted, (learner) => this.#catchUp.isCaughtUp(replica, learner, clock.monotonicMs()));
    if (plan.kind === "wait") return "again";
    this.#catchUp.forget(id);
    if (plan.kind === "done") return "done";
    const change = { replicaSetId: id, from: describe(replica.configuration), to: describe(plan.target) };
    logger.info(change, "changing the members of a replica set");
    // Without a quorum a change has no end; stopping does not wait for it, since it will be found and finished by whoever leads next.
    const changed = replica.reconfigure({ ...plan.target, basis }).then(() => true);
    if (await Promise.race([changed, this.#stopping])) logger.info(change, "changed the members of a replica set");
    this.#work.add(id);
    return "done";
  }

  #failed(id: ReplicaSetId, error: unknown): void {
    const { reason, message } = toQuireError(error);
    if (this.#complaints.get(id) === message) return;
    this.#complaints.set(id, message);
    this.#options.logger.warn({ replicaSetId: id, reason, why: message }, "a replica set is not as wanted yet; trying again");
  }
}

const sameSettings = (a: LogSettings, b: LogSettings): boolean =>
  a.segmentBytes === b.segmentBytes && a.segmentAgeMs === b.segmentAgeMs && a.flush === b.flush && a.flushIntervalMs === b.flushIntervalMs;

const describe = ({ voters, learners, w, r }: Omit<Configuration, "incoming">): string => {
  const names = (members: typeof voters): string => members.map(({ replicaId, nodeId }) => `${replicaId}@${nodeId}`).join(" ");
  return `voters ${names(voters)}, learners ${names(learners) || "none"}, W=${w} R=${r}`;
};
