import type { GroupDescription, GroupMemberDescription, GroupPartitionDescription } from "../../client/index.js";
import { command } from "../command.js";
import { about, catchUp, catchUpMs, isStuck } from "../lag.js";
import { plural, print, printJson, table } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const groupDescribeCommand = command({
  usage: "describe <group>",
  summary: "Show a consumer group's members, who owns which partition, and how far behind it is",
  positionals: { group: { type: "string", demandOption: true, describe: "Its name" } },
  options: { ...jsonOption, ...sessionOptions },
  examples: [
    ["$0 group describe billing", "LAG in records, BEHIND in time; AT THIS RATE is how long what waits now will take"],
    ["$0 group describe billing --json", "for programs"],
  ],
  async run(args) {
    const group = await withQuire(args, (quire) => quire.groups().describe(args.group));
    if (args.json) return printJson(forPrograms(group));
    print(headline(group));
    if (group.memberList.length > 0) print(`\n${members(group.memberList)}`);
    if (group.partitions.length > 0) print(`\n${partitions(group)}`);
    for (const line of troubles(group)) print(`\n${line}`);
  },
});

/** JSON has neither errors nor infinity. */
function forPrograms(group: GroupDescription): object {
  const described = group.partitions.map((partition) => {
    const { error, ...rest } = partition;
    const ms = catchUpMs(partition);
    const catchUpIn = ms === undefined || ms === Number.POSITIVE_INFINITY ? null : Math.round(ms);
    return { ...rest, catchUpMs: catchUpIn, stuck: isStuck(partition), error: error === undefined ? null : { reason: error.reason, message: error.message } };
  });
  return { ...group, partitions: described };
}

function headline({ name, state, strategy, coordinator, partitions: all }: GroupDescription): string {
  const known = all.filter(({ lag }) => lag !== undefined);
  const total = known.reduce((sum, { lag = 0 }) => sum + lag, 0);
  const oldest = known.reduce((most, { lagMs = 0 }) => Math.max(most, lagMs), 0);
  const rate = known.reduce((sum, { recordsPerSecond = 0 }) => sum + recordsPerSecond, 0);
  const rows: [string, string][] = [
    ["group", name],
    ["state", state],
    ["strategy", strategy ?? "-"],
    ["coordinator", coordinator === undefined ? "none" : `broker ${coordinator}`],
    ["behind", total === 0 ? "nothing" : `${plural(total, "record")}, the oldest of them ${about(oldest)} old`],
    ["processing", `${rateOf(rate)} records/s`],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join("\n");
}

const rateOf = (perSecond: number): string => (perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString("en"));

const members = (list: readonly GroupMemberDescription[]): string =>
  table(
    ["MEMBER", "INSTANCE", "CLIENT", "ADDRESS", "PARTITIONS", "SILENT", "SUBSCRIBES"],
    list.map(({ memberId, instance, clientId, address, partitions: owned, silentMs, topics, pattern }) => [
      memberId,
      instance ?? "-",
      clientId === "" ? "-" : clientId,
      address ?? "not connected",
      owned,
      about(silentMs),
      pattern === "" ? topics.join(",") : pattern,
    ]),
  );

const partitions = ({ partitions: list }: GroupDescription): string =>
  table(
    ["TOPIC", "PARTITION", "COMMITTED", "LATEST", "LAG", "BEHIND", "RECORDS/S", "AT THIS RATE", "OWNER"],
    list.map((partition) => {
      const { topic, partition: number, committed, latest, lag, lagMs, recordsPerSecond } = partition;
      const rate = recordsPerSecond === undefined ? "?" : rateOf(recordsPerSecond);
      const behind = lagMs === undefined ? "?" : lag === 0 ? "-" : about(lagMs);
      return [topic, number, committed ?? (latest === undefined ? "?" : "-"), latest ?? "?", lag ?? "?", behind, rate, catchUp(partition), ownerOf(partition)];
    }),
  );

const ownerOf = ({ owner, next }: GroupPartitionDescription): string => {
  if (next === undefined || next === owner) return owner ?? "-";
  return owner === undefined ? `for ${next}` : `${owner}, then ${next}`;
};

function troubles({ partitions: list, memberList }: GroupDescription): string[] {
  const stuck = list.filter(isStuck);
  const unknown = list.filter(({ error }) => error !== undefined);
  const owners = [...new Set(stuck.map(({ owner = "" }) => owner))].map((owner) => {
    const member = memberList.find(({ memberId }) => memberId === owner);
    const name = member?.instance ?? (member?.clientId === "" || member === undefined ? owner : `${member.clientId} (${owner})`);
    const where = stuck
      .filter((partition) => partition.owner === owner)
      .map(({ topic, partition, committed }) => `${topic}/${partition} at ${committed ?? "its start"}`);
    // Of a member that has just begun it cannot be said that it did nothing for so long.
    return `Stuck: nothing was committed for half a minute in ${where.slice(0, 5).join(", ")}${where.length > 5 ? " and others" : ""}; the owner is ${name}.`;
  });
  const asked = unknown.map(({ topic, partition, error }) => `Not known of ${topic}/${partition}: ${error?.message}`);
  return [...owners, ...asked.slice(0, 10)];
}
