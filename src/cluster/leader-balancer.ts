import { toQuireError } from "../base/errors.js";
import type { NodeId, ReplicaSetId } from "../base/ids.js";
import type { Clock, Logger, Timer } from "../base/ports.js";
import type { LocalView } from "./local-view.js";
import type { TopicPartition } from "./view.js";

export interface BalancerSettings {
  /** Between two looks while something is off. */
  readonly periodMs: number;
  /** Leader and preferred broker must have been what they are for so long. */
  readonly stableMs: number;
  /** At most so many transfers per look, one after the other. */
  readonly transfersMax: number;
  /** After a failed transfer: wait so long, twice as long each further time. */
  readonly retryMsMin: number;
  readonly retryMsMax: number;
}
export const BALANCER_DEFAULTS: BalancerSettings = { periodMs: 3_000, stableMs: 8_000, transfersMax: 50, retryMsMin: 10_000, retryMsMax: 300_000 };

/** A replica set that is not led by its preferred broker. */
export interface Misplaced {
  readonly at: TopicPartition;
  readonly replicaSetId: ReplicaSetId;
  readonly leader: NodeId;
  readonly preferred: NodeId;
  readonly ledForMs: number;
  /** Undefined while the preferred broker is down. */
  readonly preferredAliveForMs: number | undefined;
  /** No transfer before this long from now. */
  readonly holdMs: number;
}

export interface TransferPlan {
  readonly transfers: readonly Misplaced[];
  /** Whether time alone will allow more; otherwise only a change of the cluster can. */
  readonly lookAgain: boolean;
}

/** Which leaderships go back to their preferred brokers now. Never to one that is down, and nothing that has just moved. */
export function planTransfers(misplaced: Iterable<Misplaced>, { stableMs, transfersMax }: Pick<BalancerSettings, "stableMs" | "transfersMax">): TransferPlan {
  const transfers: Misplaced[] = [];
  let lookAgain = false;
  for (const candidate of misplaced) {
    if (candidate.preferredAliveForMs === undefined) continue;
    const stable = candidate.preferredAliveForMs >= stableMs && candidate.ledForMs >= stableMs && candidate.holdMs <= 0;
    if (stable && transfers.length < transfersMax) transfers.push(candidate);
    else lookAgain = true;
  }
  return { transfers, lookAgain };
}

export interface LeaderBalancerOptions {
  readonly view: LocalView;
  /** Asks the broker that leads a partition for `ClusterAdmin.transferLeader`; that broker may be this one. */
  readonly transfer: (leader: NodeId, at: TopicPartition, to: NodeId) => Promise<void>;
  /** Whether a broker's disk has room for more; one that would refuse records shall not lead. */
  readonly hasRoom: (broker: NodeId) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings?: BalancerSettings;
}

/** Runs on every broker, acts on the controller: moves leaderships back to where they are preferred. Without any to move it sets no timer. */
export class LeaderBalancer {
  readonly #options: LeaderBalancerOptions;
  readonly #settings: BalancerSettings;
  readonly #failures = new Map<ReplicaSetId, { readonly delayMs: number; readonly untilMs: number }>();
  readonly #unwatch: () => void;
  #timer: Timer | undefined;
  #busy = false;
  #stopped = false;

  constructor(options: LeaderBalancerOptions) {
    this.#options = options;
    this.#settings = options.settings ?? BALANCER_DEFAULTS;
    this.#unwatch = options.view.watch(() => this.#arm());
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#unwatch();
    this.#timer?.cancel();
  }

  #arm(): void {
    const { view, clock } = this.#options;
    if (this.#stopped || this.#busy || this.#timer !== undefined || view.controller !== view.self || view.misplaced().size === 0) return;
    this.#timer = clock.after(this.#settings.periodMs, () => {
      this.#timer = undefined;
      this.#busy = true;
      void this.#look().then((again) => {
        this.#busy = false;
        if (again) this.#arm();
      });
    });
  }

  async #look(): Promise<boolean> {
    const { view, transfer, logger, clock } = this.#options;
    for (const id of this.#failures.keys()) if (!view.misplaced().has(id)) this.#failures.delete(id);
    if (view.controller !== view.self) return false;
    const { transfers, lookAgain } = planTransfers(this.#misplaced(), this.#settings);
    for (const { at, leader, preferred, replicaSetId } of transfers) {
      if (this.#stopped || view.controller !== view.self) return false;
      try {
        await transfer(leader, at, preferred);
        logger.debug({ ...at, to: preferred }, "leadership moved to the preferred broker");
      } catch (error) {
        const delayMs = Math.min((this.#failures.get(replicaSetId)?.delayMs ?? this.#settings.retryMsMin / 2) * 2, this.#settings.retryMsMax);
        this.#failures.set(replicaSetId, { delayMs, untilMs: clock.monotonicMs() + delayMs });
        logger.info({ ...at, to: preferred, why: toQuireError(error).message, retryInMs: delayMs }, "leadership stays where it is for now");
      }
    }
    return lookAgain || transfers.length > 0;
  }

  *#misplaced(): Iterable<Misplaced> {
    const { view, clock, hasRoom } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const replicaSetId of view.misplaced()) {
      const found = view.partitionOf(replicaSetId);
      const preferred = found?.partition.replicas[0]?.nodeId;
      const leader = view.leader(replicaSetId)?.nodeId;
      if (found === undefined || preferred === undefined || leader === undefined) continue;
      yield {
        at: { topic: found.topic.name, partition: found.partition.partition },
        replicaSetId,
        leader,
        preferred,
        ledForMs: view.ledForMs(replicaSetId),
        preferredAliveForMs: view.aliveForMs(preferred),
        holdMs: hasRoom(preferred) ? (this.#failures.get(replicaSetId)?.untilMs ?? nowMs) - nowMs : Number.POSITIVE_INFINITY,
      };
    }
  }
}
