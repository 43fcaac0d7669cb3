import type { ReplicaSetId } from "../../base/ids.js";
import type { GroupInfo } from "../../cluster/group-info.js";
import type { Target } from "./assignment.js";

type ByMember = ReadonlyMap<string, ReadonlyMap<ReplicaSetId, number>>;

/** What each member shall own of what it owns, with generations; reckoned once for each state of a group, however many ask. */
export class Wanted {
  #group: GroupInfo | undefined;
  #target: Target | undefined;
  #byMember: ByMember = new Map();

  /** Without a target everybody keeps what they have. */
  of(group: GroupInfo, target: Target | undefined): ByMember {
    if (group === this.#group && target === this.#target) return this.#byMember;
    const byMember = new Map<string, Map<ReplicaSetId, number>>();
    for (const [id, { memberId, generation }] of group.owners) {
      if (target !== undefined && target.get(id) !== memberId) continue;
      const wanted = byMember.get(memberId);
      if (wanted === undefined) byMember.set(memberId, new Map([[id, generation]]));
      else wanted.set(id, generation);
    }
    this.#group = group;
    this.#target = target;
    this.#byMember = byMember;
    return byMember;
  }
}
