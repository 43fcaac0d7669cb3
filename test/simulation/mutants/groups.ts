import { type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("groups");

/** Of consumer groups, wherever the code of it is. */
export const groupMutants: readonly Mutant[] = [
  mutant(
    "a stale generation is accepted",
    ["broker/progress-table.js", "known !== undefined && known.generation > generation", "false"],
    ["broker/progress.js", "if (known !== undefined && known.generation > generation)", "if (false)"],
    ["broker/group-owners.js", "if (owner?.memberId === claim.memberId && owner.generation === claim.generation)", "if (true)"],
  ),
  mutant(
    "a commit below the committed one takes effect",
    ["broker/progress-table.js", 'line.kind === "reset" ? wanted !== known.offset : wanted > known.offset', "wanted !== known.offset"],
    ["broker/progress.js", "&& commit.offset <= known.offset;", "&& commit.offset === known.offset;"],
  ),
  mutant("the new owner begins without a claim", [
    "broker/progress.js",
    'known = (await this.#write(leading, query, [{ kind: "claim", group: query.group, generation, since: begunAfter }])).progress;',
    "known = { committedMs: 0, ...known, generation, offset: known?.offset };",
  ]),
  mutant("progress is forgotten by a snapshot", ["broker/partition-state.js", "if (this.progress.size > 0)", "if (false)"]),
  mutant("progress of a group that is there is forgotten", [
    "broker/progress.js",
    "generation <= (info?.begunAfter ?? groups.newestGeneration)",
    "generation <= groups.newestGeneration",
  ]),
  mutant("two brokers coordinate without comparing versions", ["cluster/group-change.js", "if (change.version !== version)", "if (false)"]),
  mutant("a partition is released before its owner has given it back", [
    "broker/groups/group-runner.js",
    "mayHold: (memberId, id) => this.#sessions.get(memberId)?.mayHold(id) ?? true,",
    "mayHold: () => false,",
  ]),
  mutant(
    "offsets are moved while members are there",
    ["rpc/group-admin.js", "if (group !== undefined && group.members.size > 0)", "if (false)"],
    ["cluster/group-change.js", "if (change.newGeneration === true && members.size > 0)", "if (false)"],
    ["broker/group-owners.js", "if (members.size > 0) {", "if (false) {"],
  ),
  mutant("a record is committed before it is processed", [
    "client/consume/partition-work.js",
    "return await handling.handle(record, this);",
    "this.#done(record.offset + 1);\n            return await handling.handle(record, this);",
  ]),
  mutant("a record is processed before it is committed, though that goes first", [
    "client/consume/partition-work.js",
    "await commits.commit(ahead);",
    "void commits.commit(ahead).catch(() => { });",
  ]),
  mutant(
    "a member that hangs keeps its partitions",
    ["client/consume/membership.js", "if (stuckMs > plan.progressTimeoutMs)", "if (false)"],
    ["client/consume/consumer.js", "if (attemptSinceMs === 0 || nowMs - attemptSinceMs <= progressTimeoutMs)", "if (true)"],
  ),
];
