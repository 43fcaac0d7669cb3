/** Brokers that are to become a cluster: processes that die, disks that stay or are wiped, a network in memory. */
import { QuireError } from "../../src/base/errors.js";
import type { NodeId, ReplicaId } from "../../src/base/ids.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import { Formation } from "../../src/cluster/formation.js";
import type { FormationPeers, ProbeAnswer } from "../../src/cluster/formation-types.js";
import { decodeMembership, type FoundingRecord, type Membership } from "../../src/cluster/membership.js";
import type { FoundingPeer } from "../../src/cluster/peer-list.js";
import { broker, node, seededRandom } from "./examples.js";
import { ManualClock } from "./manual-clock.js";

/** Where a process dies: around its next write of the membership. */
export type CrashPoint = "before save" | "after save" | undefined;

export class Founder {
  readonly net: Founders;
  readonly nodeId: NodeId;
  readonly address: string;
  incarnation: string;
  disk: Buffer | undefined;
  wipes = 0;
  peers: readonly FoundingPeer[] = [];
  join: readonly string[] = [];
  crash: CrashPoint;
  formation: Formation | undefined;
  /** What this process's `form` came to. */
  outcome: Membership | Error | undefined;
  problems: string[] = [];
  #abort = new AbortController();
  #life = 0;

  constructor(net: Founders, id: number, address: string) {
    this.net = net;
    this.nodeId = node(id);
    this.address = address;
    this.incarnation = `disk-${id}-0`;
  }

  get membership(): Membership | undefined {
    return this.disk && decodeMembership(this.disk);
  }

  async start(): Promise<void> {
    const life = ++this.#life;
    const dead = (): boolean => this.#life !== life;
    const { clock } = this.net;
    this.#abort = new AbortController();
    this.outcome = undefined;
    const formation = await Formation.open({
      self: broker(this.nodeId, this.incarnation),
      peers: this.peers,
      join: this.join,
      store: {
        load: async () => this.disk,
        save: (bytes) => this.#save(bytes, dead),
      },
      network: this.net.peersOf(dead),
      clock,
      random: seededRandom(this.nodeId + this.#life * 100 + this.wipes * 10_000),
      logger: { ...silentLogger, error: (fields) => this.problems.push((fields as { why: string }).why) },
    });
    this.formation = formation;
    formation.form(this.#abort.signal).then(
      (membership) => {
        if (!dead()) this.outcome = membership;
      },
      (error: unknown) => {
        if (!dead()) this.outcome = error as Error;
      },
    );
  }

  kill(): void {
    this.#life += 1;
    this.formation = undefined;
    this.#abort.abort();
  }

  wipe(): void {
    this.kill();
    this.disk = undefined;
    this.wipes += 1;
    this.incarnation = `disk-${this.nodeId}-${this.wipes}`;
  }

  async #save(bytes: Buffer, dead: () => boolean): Promise<void> {
    await Promise.resolve();
    if (dead()) await never();
    const crash = this.crash;
    this.crash = undefined;
    if (crash !== "before save") {
      if (this.disk !== undefined && this.disk.length > 0) this.net.violations.push(`the membership of broker ${this.nodeId} was written twice`);
      this.disk = bytes;
    }
    if (crash === undefined) return;
    this.kill();
    await never();
  }
}

const never = (): Promise<never> => new Promise(() => undefined);

export class Founders {
  readonly clock = new ManualClock();
  readonly all = new Map<string, Founder>();
  readonly cut = new Set<string>();
  readonly violations: string[] = [];
  readonly #registered = new Map<string, ReplicaId>();

  constructor(...ids: number[]) {
    const peers = ids.map((id): FoundingPeer => ({ nodeId: node(id), peerAddress: `host${id}:9801` }));
    for (const id of ids) this.add(id).peers = peers;
  }

  add(id: number, address = `host${id}:9801`): Founder {
    const founder = new Founder(this, id, address);
    this.all.set(founder.address, founder);
    return founder;
  }

  at(id: number): Founder {
    const founder = this.all.get(`host${id}:9801`);
    if (founder === undefined) throw new Error(`no broker ${id}`);
    return founder;
  }

  async startAll(): Promise<void> {
    for (const founder of this.all.values()) if (founder.formation === undefined) await founder.start();
  }

  clusterIds(): Set<string | undefined> {
    return new Set([...this.all.values()].map((founder) => founder.membership?.founding.clusterId));
  }

  get formed(): boolean {
    return [...this.all.values()].every((founder) => founder.outcome !== undefined && !(founder.outcome instanceof Error));
  }

  peersOf(dead: () => boolean): FormationPeers {
    const reach = async (address: string): Promise<{ formation: Formation; founder: Founder }> => {
      await Promise.resolve();
      const founder = this.all.get(address);
      if (dead() || founder?.formation === undefined || this.cut.has(address)) throw new QuireError("BROKER_UNREACHABLE", `${address} does not answer`);
      return { formation: founder.formation, founder };
    };
    return {
      probe: async (address): Promise<ProbeAnswer> => (await reach(address)).formation.onProbe(),
      found: async (address, record) => (await reach(address)).formation.onFound(record),
      register: async (address, info) => {
        const { founder } = await reach(address);
        const founding = founder.membership?.founding;
        if (founding === undefined || !this.#hasController(founding)) throw new QuireError("LEADER_UNKNOWN", "no controller");
        const metadataReplicaId = this.#registered.get(info.incarnation) ?? ((this.#registered.size + 101) as ReplicaId);
        this.#registered.set(info.incarnation, metadataReplicaId);
        return { metadataReplicaId };
      },
    };
  }

  /** Whether enough of the founders run, with the disks they had. */
  #hasController({ founders, w, clusterId }: FoundingRecord): boolean {
    const there = founders.filter(({ peerAddress, incarnation }) => {
      const founder = this.all.get(peerAddress);
      return founder?.formation?.membership?.founding.clusterId === clusterId && founder.incarnation === incarnation;
    });
    return there.length >= w;
  }
}
