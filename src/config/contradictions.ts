/** Settings that are fine one by one and not together. Each line names the values and what to do. */
import { timing } from "../base/limits.js";
import type { Resolved } from "./settings.js";
import { formatBytes, formatDuration } from "./units.js";

/** What a batch needs beside its largest record. */
const BATCH_OVERHEAD_BYTES = 1024;

export const contradictions = (resolved: Resolved): string[] => [...times(resolved), ...sizes(resolved), ...addressing(resolved), ...membership(resolved)];

function times({ config: { timing: times } }: Resolved): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(times)) {
    if (value % timing.tickMs !== 0) problems.push(`timing.${name} is ${formatDuration(value)}; it must be a multiple of ${timing.tickMs} ms`);
  }
  const { heartbeatMs, electionTimeoutMs, suspicionMs } = times;
  if (heartbeatMs * 3 > electionTimeoutMs) {
    const remedy = `set timing.electionTimeoutMs to ${formatDuration(heartbeatMs * 3)} or more, or heartbeats to ${formatDuration(Math.floor(electionTimeoutMs / 3))} or less`;
    problems.push(
      `three heartbeats (timing.heartbeatMs, ${formatDuration(heartbeatMs)}) do not fit into timing.electionTimeoutMs, ${formatDuration(electionTimeoutMs)}; ${remedy}`,
    );
  }
  if (suspicionMs > electionTimeoutMs) {
    problems.push(
      `timing.suspicionMs, ${formatDuration(suspicionMs)}, is above timing.electionTimeoutMs, ${formatDuration(electionTimeoutMs)}; it must be at or below it`,
    );
  }
  return problems;
}

function sizes({ config: { produce } }: Resolved): string[] {
  const problems: string[] = [];
  if (produce.recordBytesMax + BATCH_OVERHEAD_BYTES > produce.batchBytesMax) {
    problems.push(
      `a record of produce.recordBytesMax, ${formatBytes(produce.recordBytesMax)}, does not fit into a batch of produce.batchBytesMax, ${formatBytes(produce.batchBytesMax)}; ` +
        `set the first to ${formatBytes(produce.batchBytesMax - BATCH_OVERHEAD_BYTES)} or less`,
    );
  }
  return problems;
}

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));
const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));
const isWildcard = (address: string): boolean => ["0.0.0.0", "[::]"].includes(hostOf(address));

function addressing({ config }: Resolved): string[] {
  const problems: string[] = [];
  const { listen, peerListen } = config;
  const sameHost = hostOf(listen) === hostOf(peerListen) || isWildcard(listen) || isWildcard(peerListen);
  if (portOf(listen) !== 0 && portOf(listen) === portOf(peerListen) && sameHost) {
    problems.push(`listen and peerListen are both port ${portOf(listen)}; clients and brokers need one each`);
  }
  if (isWildcard(listen) && config.advertise === "") {
    problems.push(`listen is ${listen}, which no client can dial; set advertise to this machine's name, such as broker-1.example:${portOf(listen) || 9701}`);
  }
  const isFounder = config.peers.some((founder) => founder.nodeId === config.nodeId);
  if (isWildcard(peerListen) && config.peerAdvertise === "" && !isFounder) {
    problems.push(
      `peerListen is ${peerListen}, which no broker can dial; set peerAdvertise to this machine's name, such as broker-1.example:${portOf(peerListen) || 9801}`,
    );
  }
  return problems;
}

function membership({ config, origins }: Resolved): string[] {
  const { nodeId, peers, join } = config;
  if (peers.length === 0 && join.length === 0) return [];
  const problems: string[] = [];
  if (origins.nodeId === "default") {
    problems.push(`nodeId is not set, and a broker of several needs its own; set --node-id, QUIRE_NODE_ID or nodeId in the file`);
  }
  if (peers.length > 0 && join.length > 0) {
    problems.push("both peers and join are set; founders of a new cluster have peers, brokers that come later have join");
  }
  if (peers.length > 0 && origins.nodeId !== "default" && !peers.some((founder) => founder.nodeId === nodeId)) {
    problems.push(`nodeId ${nodeId} is not among peers (${peers.map((founder) => founder.nodeId).join(", ")}); add ${nodeId}@host:port, or set join instead`);
  }
  return problems;
}
