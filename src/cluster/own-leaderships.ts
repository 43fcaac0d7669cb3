import type { ReplicaSetId, Term } from "../base/ids.js";
import type { Clock } from "../base/ports.js";
import type { Replica } from "../replica/types.js";
import type { Leadership } from "./view.js";

/** What this broker leads, and the telling of it: changes go to all others once per turn of the event loop, in one list. */
export class OwnLeaderships {
  readonly #clock: Clock;
  readonly #announce: (changes: readonly Leadership[]) => void;
  readonly #led = new Map<ReplicaSetId, Term>();
  readonly #changes = new Map<ReplicaSetId, Leadership>();

  constructor(clock: Clock, announce: (changes: readonly Leadership[]) => void) {
    this.#clock = clock;
    this.#announce = announce;
  }

  /** Everything this broker leads, for a link that just began. */
  all(): Leadership[] {
    return [...this.#led].map(([replicaSetId, term]) => ({ replicaSetId, term, leads: true }));
  }

  /** Role, term, leader or `serving` of a replica changed. */
  changed({ replicaSetId, role, serving, term, failure }: Pick<Replica, "replicaSetId" | "role" | "serving" | "term" | "failure">): void {
    const leads = role === "leader" && serving && failure === undefined;
    const before = this.#led.get(replicaSetId);
    if (!leads && before !== undefined) this.removed(replicaSetId);
    if (!leads || before === term) return;
    this.#led.set(replicaSetId, term);
    this.#tell({ replicaSetId, term, leads: true });
  }

  /** The replica was stopped. */
  removed(replicaSetId: ReplicaSetId): void {
    const term = this.#led.get(replicaSetId);
    if (term === undefined) return;
    this.#led.delete(replicaSetId);
    this.#tell({ replicaSetId, term, leads: false });
  }

  #tell(line: Leadership): void {
    this.#changes.set(line.replicaSetId, line);
    if (this.#changes.size > 1) return;
    this.#clock.soon(() => {
      const changes = [...this.#changes.values()];
      this.#changes.clear();
      this.#announce(changes);
    });
  }
}
