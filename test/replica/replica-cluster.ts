import { crc32 } from "node:zlib";
import { EntryKind } from "../../src/base/entry-kind.js";
import { type NodeId, nodeId, replicaId, replicaSetId } from "../../src/base/ids.js";
import { KIB, timing } from "../../src/base/limits.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import { PartitionState } from "../../src/broker/partition-state.js";
import type { Configuration } from "../../src/consensus/types.js";
import { type HostOptions, LocalHost } from "../../src/replica/host.js";
import type { LocalReplica } from "../../src/replica/replica.js";
import type { Committed, Proposal, ReplicaEnvelope } from "../../src/replica/types.js";
import type { LogSettings } from "../../src/storage/log.js";
import { MemoryLog } from "../../src/storage/memory-log.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { MemoryStore } from "../support/memory-store.js";

type LogFactory = HostOptions["logs"];

export const SET = replicaSetId(1);
const LOG: LogSettings = { segmentBytes: 4 * KIB, segmentAgeMs: 0, flush: "batch", flushIntervalMs: 1_000 };

/** Brokers that run one replica set each on one fake clock, linked in memory: what the host, the core and the log do together. */
export class ReplicaCluster {
  readonly clock = new FakeClock();
  readonly hosts = new Map<NodeId, LocalHost>();
  readonly #stores = new Map<NodeId, MemoryStore>();
  readonly #cut = new Set<NodeId>();
  /** Whether a message is lost on its way, and nobody is told. */
  isLost: (from: NodeId, to: NodeId, envelope: ReplicaEnvelope) => boolean = () => false;
  readonly #initial: Configuration;

  readonly #logsOf: ((id: NodeId, shared: { clock: FakeClock; store: MemoryStore }) => LogFactory) | undefined;

  /** `logsOf`: what lasts on each broker; without it, a log ends with its process. */
  constructor(nodes: number, quorum: { w: number; r: number }, logsOf?: (id: NodeId, shared: { clock: FakeClock; store: MemoryStore }) => LogFactory) {
    this.#logsOf = logsOf;
    const voters = Array.from({ length: nodes }, (_, at) => ({ replicaId: replicaId(at + 1), nodeId: nodeId(at + 1) }));
    this.#initial = { voters, learners: [], ...quorum };
  }

  async start(id: number): Promise<LocalReplica> {
    const self = nodeId(id);
    const store = this.#stores.get(self) ?? new MemoryStore();
    this.#stores.set(self, store);
    let seed = id;
    const below = (bound: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % bound;
    };
    const host: LocalHost = new LocalHost({
      self,
      store,
      logs: this.#logsOf?.(self, { clock: this.clock, store }) ?? {
        open: async (_record, settings, callbacks) => new MemoryLog({ clock: this.clock, settings, callbacks }),
        setAside: async () => "",
        delete: async () => undefined,
      },
      peers: { send: (to, envelope) => this.hosts.get(self) === host && this.#send(self, to, envelope), queuedBytes: () => 0, takesRecords: () => true },
      clock: this.clock,
      random: { below, uuid: () => "" },
      logger: silentLogger,
      tickMs: timing.tickMs,
      takesRecords: () => true,
      core: { ...timing, inflightMessagesMax: 16, inflightBytesMax: 64 * KIB },
      machineFor: () => ({ machine: new PartitionState(), cutPolicy: "records" }),
      leadershipChanged: () => undefined,
    });
    this.hosts.set(self, host);
    for (const [other, otherHost] of this.hosts) if (other !== self) otherHost.peerUp(self);
    return host.start({ replicaSetId: SET, replicaId: replicaId(id), initial: this.#initial, logSettings: LOG });
  }

  /** The process is gone: its links break at once. */
  kill(id: number): void {
    this.hosts.delete(nodeId(id));
    for (const host of this.hosts.values()) host.peerDown(nodeId(id));
  }

  /** Nothing comes from or goes to this broker, and nobody is told. */
  cut(id: number): void {
    this.#cut.add(nodeId(id));
  }

  heal(): void {
    this.#cut.clear();
  }

  replica(id: number): LocalReplica {
    const replica = this.hosts.get(nodeId(id))?.get(SET);
    if (replica === undefined) throw new Error(`broker ${id} does not run`);
    return replica;
  }

  replicas(): LocalReplica[] {
    return [...this.hosts.keys()].map((id) => this.replica(id));
  }

  /** Lets time pass until the condition holds. */
  async until(what: string, condition: () => boolean, msMax = 20_000): Promise<void> {
    for (let ms = 0; ms < msMax; ms += timing.tickMs) {
      await settle();
      if (condition()) return;
      this.clock.advance(timing.tickMs);
    }
    throw new Error(`waited ${msMax} ms in vain until ${what}`);
  }

  async leader(): Promise<LocalReplica> {
    const serving = (): LocalReplica | undefined => this.replicas().find((replica) => replica.serving && !this.#cut.has(nodeId(replica.replicaId)));
    await this.until("somebody serves", () => serving() !== undefined);
    const leader = serving();
    if (leader === undefined) throw new Error("a leader that served is gone");
    return leader;
  }

  #send(from: NodeId, to: NodeId, envelope: ReplicaEnvelope): boolean {
    if (this.#cut.has(from) || this.#cut.has(to) || this.isLost(from, to, envelope)) return true;
    this.clock.soon(() => this.hosts.get(to)?.receive(from, envelope));
    return this.hosts.has(to);
  }
}

/** A batch of `count` records that nobody decodes. */
export function batchOf(text: string, count = 1): Proposal {
  const body = Buffer.from(text);
  return {
    kind: EntryKind.records,
    body,
    batch: {
      recordCount: count,
      compression: 0,
      baseTimestampMs: 1,
      maxTimestampMs: 1,
      producerId: 0,
      producerEpoch: 0,
      baseSequence: 0,
      priority: 0,
      crc32: crc32(body),
      uncompressedBytes: body.length,
    },
  };
}

/** The outcome of a proposal, as a promise. */
export const proposeTo = (replica: LocalReplica, proposal: Proposal): Promise<Committed> =>
  new Promise((resolve, reject) => replica.propose(proposal, (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome))));

/** What readers may see: the bodies of all batches below the high watermark. */
export async function visible(replica: LocalReplica): Promise<string[]> {
  const first = (replica.log.logStart.index + 1) as typeof replica.log.lastIndex;
  const frames = [];
  for (let next = first; next <= replica.appliedIndex; ) {
    const read = await replica.log.read(next, replica.appliedIndex, 64 * KIB);
    frames.push(...read);
    next = (next + read.length) as typeof next;
  }
  return frames.filter((frame) => frame.kind === EntryKind.records).map((frame) => frame.body.toString());
}
