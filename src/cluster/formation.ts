import { unreachable } from "../base/assert.js";
import { QuireError, toQuireError } from "../base/errors.js";
import type { Clock, Logger, Random } from "../base/ports.js";
import { decideFormation, type FormationStep, type Probed } from "./formation-plan.js";
import type { FormationHandler, FormationPeers, ProbeAnswer } from "./formation-types.js";
import {
  decodeFoundingRecord,
  decodeMembership,
  encodeFoundingRecord,
  encodeMembership,
  type FoundingRecord,
  founderOf,
  type Membership,
  type MembershipStore,
  makeFoundingRecord,
} from "./membership.js";
import { canonicalPeerList, checkPeerList, type FoundingPeer } from "./peer-list.js";
import type { BrokerInfo } from "./view.js";

export interface FormationOptions {
  readonly self: BrokerInfo;
  /** Founders, this broker among them; empty for one that joins. */
  readonly peers: readonly FoundingPeer[];
  /** Peer addresses of a cluster to join; used only when `peers` is empty. */
  readonly join: readonly string[];
  readonly store: MembershipStore;
  readonly network: FormationPeers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 1_000;

/**
 * Makes this broker a member of a cluster, once in the life of its disk: as a founder, when all founders are reachable and
 * empty, or by joining. Answers other brokers' probes all the while, and ever after.
 */
export class Formation implements FormationHandler {
  readonly #options: FormationOptions;
  #membership: Membership | undefined;
  #encodedRecord: Buffer | undefined;
  /** A membership on its way to the disk. From here on there is no way back to being empty. */
  #saving: { readonly clusterId: string; readonly done: Promise<void> } | undefined;
  #registering = false;
  #wake: () => void = () => undefined;
  #said = "";

  private constructor(options: FormationOptions) {
    this.#options = options;
  }

  /**
   * Reads what is on disk. Only after this may others probe this broker.
   * @throws QuireError INVALID_SETTING for an impossible peer list, DATA_FOLDER_MISMATCH for a membership of another broker or disk
   */
  static async open(options: FormationOptions): Promise<Formation> {
    const formation = new Formation(options);
    const bytes = await options.store.load();
    if (bytes !== undefined && bytes.length > 0) formation.#adopt(decodeMembership(bytes));
    else if (options.peers.length > 0) checkPeerList(options.peers, options.self.nodeId);
    else if (options.join.length === 0)
      throw new QuireError("INVALID_SETTING", "this broker belongs to no cluster yet; set peers to found one, or join to join one");
    return formation;
  }

  /** Undefined while this broker belongs to no cluster. */
  get membership(): Membership | undefined {
    return this.#membership;
  }

  /** Resolves when this broker is a member. Waits for the others as long as it takes. @throws QuireError SHUTTING_DOWN when aborted */
  async form(signal: AbortSignal): Promise<Membership> {
    const stop = (): void => this.#wake();
    signal.addEventListener("abort", stop);
    try {
      for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
        await this.#saving?.done;
        if (this.#membership !== undefined) return this.#membership;
        if (signal.aborted) throw new QuireError("SHUTTING_DOWN", "stopped before this broker belonged to a cluster");
        await this.#act(decideFormation({ self: this.#options.self, peers: this.#options.peers, probed: await this.#probeAll() }));
        if (this.#membership === undefined && !signal.aborted) await this.#pause(pauseMs);
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  onProbe(): ProbeAnswer {
    const { self, peers } = this.#options;
    const founders = canonicalPeerList(peers);
    if (this.#membership === undefined || this.#encodedRecord === undefined) {
      const busy = this.#saving !== undefined || this.#registering || peers.length === 0;
      return { broker: self, state: busy ? "joining" : "empty", founders };
    }
    return { broker: self, state: "formed", founders, clusterId: this.#membership.founding.clusterId, foundingRecord: this.#encodedRecord };
  }

  async onFound(foundingRecord: Buffer): Promise<void> {
    const founding = decodeFoundingRecord(foundingRecord);
    if (this.#registering) throw new QuireError("CLUSTER_MISMATCH", `broker ${this.#options.self.nodeId} is joining a cluster already`);
    await this.#becomeFounder(founding);
  }

  async #act(step: FormationStep): Promise<void> {
    // A record may have come while the probes were under way.
    if (this.#saving !== undefined || this.#membership !== undefined) return;
    switch (step.kind) {
      case "wait":
      case "problem":
        this.#say(step);
        return;
      case "accept":
        return await this.#becomeFounder(step.founding);
      case "found":
        return await this.#found(step);
      case "join":
        return await this.#join(step);
      default:
        return unreachable(step);
    }
  }

  /** On its own disk first: should this broker die now, the others find the record here, and should the disk die too, nobody has it. */
  async #found({ brokers, peerList }: Extract<FormationStep, { kind: "found" }>): Promise<void> {
    const { network, random, logger, self } = this.#options;
    const founding = makeFoundingRecord(random.uuid(), peerList, brokers);
    await this.#becomeFounder(founding);
    logger.info({ clusterId: founding.clusterId, founders: peerList }, "founded a cluster");
    const record = encodeFoundingRecord(founding);
    for (const { nodeId, peerAddress } of founding.founders) {
      if (nodeId === self.nodeId) continue;
      // Only to be quick: whoever misses it asks.
      void network
        .found(peerAddress, record)
        .catch((error: unknown) => logger.warn({ nodeId, peerAddress, why: toQuireError(error).message }, "a founder did not take the founding record yet"));
    }
  }

  async #becomeFounder(founding: FoundingRecord): Promise<void> {
    const { nodeId, incarnation } = this.#options.self;
    const founder = founderOf(founding, this.#options.self);
    if (founder === undefined) {
      throw new QuireError("CLUSTER_MISMATCH", `the founding record of cluster ${founding.clusterId} does not name broker ${nodeId} with the disk it has now`, {
        details: { nodeId, incarnation },
      });
    }
    await this.#become({ founding, nodeId, incarnation, metadataReplicaId: founder.replicaId });
  }

  async #join({ founding, through }: Extract<FormationStep, { kind: "join" }>): Promise<void> {
    const { network, self, logger, random } = this.#options;
    const address = through[random.below(through.length)] ?? "";
    this.#registering = true;
    try {
      const { metadataReplicaId } = await network.register(address, self);
      await this.#become({ founding, nodeId: self.nodeId, incarnation: self.incarnation, metadataReplicaId });
      logger.info({ clusterId: founding.clusterId, through: address, metadataReplicaId }, "joined a cluster");
    } catch (error) {
      // Registering again with the same incarnation gives the same answer, so nothing is lost by another try.
      this.#say({ kind: "problem", why: `registering through ${address}: ${toQuireError(error).message}` });
    } finally {
      this.#registering = false;
    }
  }

  /** The first membership that reaches the disk is the one, for ever. */
  async #become(membership: Membership): Promise<void> {
    const { clusterId } = membership.founding;
    const taken = this.#membership?.founding.clusterId ?? this.#saving?.clusterId;
    if (taken !== undefined && taken !== clusterId) {
      throw new QuireError("CLUSTER_MISMATCH", `broker ${membership.nodeId} belongs to cluster ${taken}, not to ${clusterId}`, {
        details: { clusterId: taken },
      });
    }
    if (this.#membership !== undefined) return;
    this.#saving ??= { clusterId, done: this.#options.store.save(encodeMembership(membership)).then(() => this.#adopt(membership)) };
    await this.#saving.done;
    this.#wake();
  }

  #adopt(membership: Membership): void {
    const { nodeId, incarnation } = this.#options.self;
    if (membership.nodeId !== nodeId || membership.incarnation !== incarnation) {
      throw new QuireError(
        "DATA_FOLDER_MISMATCH",
        `the data folder's database is of broker ${membership.nodeId} (incarnation ${membership.incarnation}, cluster ${membership.founding.clusterId}) and its identity file of broker ${nodeId} (incarnation ${incarnation}); restore what belongs together, and give each broker its own folder`,
        {
          details: { found: membership.nodeId, nodeId },
        },
      );
    }
    this.#membership = membership;
    this.#encodedRecord = encodeFoundingRecord(membership.founding);
  }

  async #probeAll(): Promise<Probed[]> {
    const { peers, join, self, network } = this.#options;
    const targets = peers.length > 0 ? peers.filter((peer) => peer.nodeId !== self.nodeId) : join.map((peerAddress) => ({ peerAddress, nodeId: undefined }));
    return await Promise.all(
      targets.map(async (target): Promise<Probed> => ({ ...target, answer: await network.probe(target.peerAddress).catch(() => undefined) })),
    );
  }

  async #pause(ms: number): Promise<void> {
    const { clock, random } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = clock.after(ms / 2 + random.below(Math.ceil(ms / 2)), resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  /** Each new reason for waiting once, not at every try. */
  #say({ kind, why }: { readonly kind: "wait" | "problem"; readonly why: string }): void {
    if (this.#said === why) return;
    this.#said = why;
    if (kind === "problem") this.#options.logger.error({ why }, "cannot become part of a cluster");
    else this.#options.logger.info({ why }, "waiting to become part of a cluster");
  }
}
