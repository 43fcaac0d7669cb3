/** A cluster of real processes on this machine's loopback: for `quire dev`, the demonstration and system tests. */
import { join } from "node:path";
import { assert } from "../../base/assert.js";
import { BrokerProcess } from "./broker-process.js";
import { checkPorts, freePorts } from "./ports.js";

/** From a broker's port for clients to its port for brokers. */
const PEER_PORT_DISTANCE = 100;

export interface LocalClusterOptions {
  /** Each broker has a folder in it. */
  readonly folder: string;
  readonly brokers: number;
  /** First port for clients; brokers use those 100 above. Left out: any free ones. */
  readonly portBase?: number;
  /** More flags of `quire server`, for every broker. */
  readonly flags?: readonly string[];
  /** Arguments of Node itself, for every broker. */
  readonly nodeArguments?: readonly string[];
  readonly onLine?: (nodeId: number, line: string) => void;
  readonly onDeath?: (broker: BrokerProcess, how: string, others: readonly BrokerProcess[]) => void;
}

export class LocalCluster {
  readonly brokers: readonly BrokerProcess[];

  private constructor(brokers: readonly BrokerProcess[]) {
    this.brokers = brokers;
  }

  /** Starts all brokers; resolves when each listens. A failure stops the others. @throws QuireError */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    const ports = await choosePorts(options);
    const peers = ports.map(({ peer }, at) => `${at + 1}@127.0.0.1:${peer}`).join(",");
    const cluster = new LocalCluster(
      ports.map(({ client, peer }, at) => {
        const nodeId = at + 1;
        const broker: BrokerProcess = new BrokerProcess({
          nodeId,
          address: `127.0.0.1:${client}`,
          logFile: join(options.folder, `broker-${nodeId}.log`),
          flags: [
            ...["--node-id", String(nodeId), "--data-folder", join(options.folder, `broker-${nodeId}`), "--peers", peers],
            ...["--listen", `127.0.0.1:${client}`, "--peer-listen", `127.0.0.1:${peer}`, "--log-format", "json"],
            ...(options.flags ?? []),
          ],
          ...(options.nodeArguments === undefined ? {} : { nodeArguments: options.nodeArguments }),
          onLine: (line) => options.onLine?.(nodeId, line),
          onDeath: (how) =>
            options.onDeath?.(
              broker,
              how,
              cluster.brokers.filter((other) => other !== broker),
            ),
        });
        return broker;
      }),
    );
    const started = await Promise.allSettled(cluster.brokers.map((broker) => broker.start()));
    const failure = started.find((outcome) => outcome.status === "rejected");
    if (failure === undefined) return cluster;
    await cluster.stop();
    throw failure.reason;
  }

  /** `host:port` of each, for clients. */
  get addresses(): string[] {
    return this.brokers.map((broker) => broker.address);
  }

  /** The broker with this node id, from 1. */
  broker(nodeId: number): BrokerProcess {
    const broker = this.brokers[nodeId - 1];
    assert(broker !== undefined, () => `a cluster of ${this.brokers.length} has a broker ${nodeId}`);
    return broker;
  }

  /** Ends all politely, together; resolves to whether none had to be killed. */
  async stop(): Promise<boolean> {
    const politely = await Promise.all(this.brokers.map((broker) => broker.stop()));
    return politely.every(Boolean);
  }
}

async function choosePorts({ brokers, portBase }: LocalClusterOptions): Promise<{ client: number; peer: number }[]> {
  const each = Array.from({ length: brokers }, (_, at) => at);
  if (portBase === undefined) {
    const free = await freePorts(2 * brokers);
    return each.map((at) => ({ client: free[2 * at] ?? 0, peer: free[2 * at + 1] ?? 0 }));
  }
  const ports = each.map((at) => ({ client: portBase + at, peer: portBase + PEER_PORT_DISTANCE + at }));
  await checkPorts(
    ports.flatMap(({ client, peer }) => [client, peer]),
    portBase,
  );
  return ports;
}
