/** What a crash does to a disk in the simulation. */
import { logIndex } from "../../src/base/ids.js";
import type { ModelCluster } from "./model-cluster.js";
import type { ModelNode } from "./model-node.js";
import type { SeededRandom } from "./seeded-random.js";

/** Of what was not synced any prefix may be there; of a truncation that was not synced, the old end may be back. */
export function loseUnsynced(random: SeededRandom, node: ModelNode): void {
  const { disk } = node;
  if (node.saves.length > 0 && random.oneIn(2)) disk.hardState = node.saves[random.below(node.saves.length)] ?? disk.hardState;
  let common = 0;
  while (common < node.entries.length && disk.entries[common] === node.entries[common]) common++;
  // A state is kept of what is on disk only: above that the log may come back as it was before.
  disk.checkpoint = logIndex(random.oneIn(2) ? disk.start.index : Math.min(node.applied, disk.start.index + common));
  if (node.installing !== undefined || random.oneIn(2)) return;
  disk.entries = node.entries.slice(0, common + random.below(node.entries.length - common + 1));
}

/** A torn end that was never acknowledged, on any node; or the loss of what was, within what the promise covers. */
export function damage(random: SeededRandom, cluster: ModelCluster, node: ModelNode): void {
  const { disk } = node;
  const quorums = cluster.nodes.flatMap(({ core }) =>
    core ? [core.configuration, ...(core.configuration.incoming ? [core.configuration.incoming] : [])] : [],
  );
  const covered = Math.min(...quorums.map(({ w }) => w), 5) - 1;
  const mayLose = cluster.damaged.has(node.id) || cluster.damaged.size < covered;
  if (mayLose && disk.entries.length > 0 && random.oneIn(2)) {
    const kept = random.below(disk.entries.length);
    cluster.damaged.set(node.id, [...(cluster.damaged.get(node.id) ?? []), ...disk.entries.slice(kept)]);
    disk.entries = disk.entries.slice(0, kept);
  }
  const end = disk.start.index + disk.entries.length;
  const from = logIndex(Math.min(end + 1, disk.doubt?.from ?? end + 1));
  disk.checkpoint = logIndex(Math.min(disk.checkpoint, end));
  const kind = disk.doubt?.kind === "damaged" || (cluster.damaged.has(node.id) && random.oneIn(2)) ? "damaged" : "torn";
  disk.doubt = { kind, from };
}
