import { toQuireError } from "../base/errors.js";
import type { Clock, Logger, Timer } from "../base/ports.js";
import type { Replica } from "../replica/types.js";
import type { GroupsAdmin, GroupsView } from "./group-info.js";

export interface GroupExpiryOptions {
  readonly groups: GroupsView;
  readonly admin: Pick<GroupsAdmin, "deleteGroup">;
  /** This broker's replica of the metadata: whoever leads it forgets groups, and nobody else. */
  readonly metadata: () => Pick<Replica, "role" | "serving"> | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A group without members is forgotten after so long. */
  readonly expireMs: number;
}

const LOOKS_PER_TIME = 10;
const LOOK_MS_MIN = 100;
const LOOK_MS_MAX = 60_000;

/** Forgets groups that have had no members for long. What partitions keep of their progress goes when their leaders see that they are gone. */
export class GroupExpiry {
  readonly #options: GroupExpiryOptions;
  readonly #timer: Timer;
  #busy = false;
  #stopped = false;

  constructor(options: GroupExpiryOptions) {
    this.#options = options;
    const periodMs = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, Math.floor(options.expireMs / LOOKS_PER_TIME)));
    this.#timer = options.clock.every(periodMs, () => void this.#look());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    const { groups, metadata, expireMs, clock } = this.#options;
    const replica = metadata();
    if (this.#busy || replica === undefined || replica.role !== "leader" || !replica.serving) return;
    this.#busy = true;
    // By the wall clock of two brokers, perhaps: a few seconds more or less do not matter here.
    const before = clock.wallMs() - expireMs;
    const idle = groups.groups().filter(({ members, emptySinceMs }) => members.size === 0 && emptySinceMs <= before);
    for (const { name, version } of idle) {
      if (this.#stopped) break;
      await this.#forget(name, version);
    }
    this.#busy = false;
  }

  /** Only as it was seen: one that has members again, or was reset, stays. */
  async #forget(name: string, version: number): Promise<void> {
    const { admin, logger, expireMs } = this.#options;
    try {
      await admin.deleteGroup(name, version);
      logger.info({ group: name, expireMs }, "a consumer group without members was forgotten");
    } catch (thrown) {
      const error = toQuireError(thrown);
      if (error.reason !== "CONFLICT" && error.reason !== "GROUP_NOT_EMPTY")
        logger.warn({ group: name, why: error.message }, "a consumer group was not forgotten");
    }
  }
}
