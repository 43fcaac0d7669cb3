import { QuireError, toQuireError } from "../../base/errors.js";
import { systemClock } from "../../base/system-ports.js";

const POLL_MS = 50;

/**
 * Resolves when a cluster has formed: a controller leads it, all its brokers are connected, and every partition has a leader
 * and all its replicas.
 *
 * @throws QuireError NOT_READY when it has not in time, or the signal's reason
 */
export async function untilWhole(addresses: readonly string[], brokers: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  const { connect } = await import("../../client/index.js");
  const deadlineMs = systemClock.monotonicMs() + timeoutMs;
  const abortable = signal === undefined ? {} : { signal };
  let last = "nothing answered";
  const quire = await connect({ brokers: addresses, connectTimeoutMs: timeoutMs, ...abortable });
  try {
    while (systemClock.monotonicMs() < deadlineMs) {
      try {
        const cluster = await quire.cluster(abortable);
        const alive = cluster.brokers.filter((broker) => broker.alive).length;
        if (cluster.controllerNodeId > 0 && alive >= brokers && cluster.leaderlessPartitions === 0 && cluster.underReplicatedPartitions === 0) return;
        last = `${alive} of ${brokers} brokers connected, ${cluster.leaderlessPartitions} partitions without a leader, ${cluster.underReplicatedPartitions} under-replicated`;
      } catch (thrown) {
        signal?.throwIfAborted();
        last = toQuireError(thrown).message;
      }
      await new Promise<void>((resolve) => systemClock.after(POLL_MS, resolve));
      signal?.throwIfAborted();
    }
  } finally {
    await quire.close();
  }
  throw new QuireError("NOT_READY", `the cluster did not form within ${timeoutMs / 1000} s: ${last}`);
}
