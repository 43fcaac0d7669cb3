import { command } from "../command.js";
import { ExitCode } from "../exit-codes.js";
import { plural, print, printJson, table } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const clusterStatusCommand = command({
  usage: "status",
  summary: "Show the brokers, and whether every partition is whole",
  options: { ...jsonOption, ...sessionOptions },
  examples: [["$0 cluster status --json", "for programs; exit code 3 while a partition has no leader"]],
  async run(args) {
    const cluster = await withQuire(args, (quire) => quire.cluster());
    if (cluster.leaderlessPartitions > 0 || cluster.controllerNodeId === 0) process.exitCode = ExitCode.unavailable;
    if (args.json) return printJson(cluster);
    print(`Cluster ${cluster.clusterId}: ${plural(cluster.topics, "topic")}, ${plural(cluster.partitions, "partition")}`);
    print(health(cluster.leaderlessPartitions, cluster.underReplicatedPartitions, cluster.controllerNodeId));
    print("");
    print(
      table(
        ["BROKER", "CLIENTS", "BROKERS", "RACK", "STATE", "REPLICAS", "LEADS", ""],
        cluster.brokers.map(({ nodeId, address, peerAddress, rack, alive, replicas, leaders }) => [
          nodeId,
          address,
          peerAddress,
          rack || "-",
          alive ? "up" : "down",
          replicas,
          leaders,
          nodeId === cluster.controllerNodeId ? "controller" : "",
        ]),
      ),
    );
  },
});

function health(leaderless: number, underReplicated: number, controller: number): string {
  const problems = [
    controller === 0 ? "no controller is known: topics cannot be changed" : "",
    leaderless > 0 ? `${plural(leaderless, "partition")} without a leader: cannot be written or read` : "",
    underReplicated > 0 ? `${plural(underReplicated, "partition")} with a replica's broker down` : "",
  ].filter((problem) => problem !== "");
  return problems.length === 0 ? "Every partition has a leader and all its replicas." : problems.join("\n");
}
