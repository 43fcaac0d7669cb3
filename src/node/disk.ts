import { nodeId } from "../base/ids.js";
import type { MembershipStore } from "../cluster/membership.js";
import type { Config } from "../config/settings.js";
import { type DataFolder, openDataFolder } from "../storage/data-folder.js";
import { DiskSpace } from "../storage/disk-space.js";
import { mismatch } from "../storage/identity.js";
import { SegmentedLogs } from "../storage/segmented-logs.js";
import type { BrokerPorts } from "./ports.js";

/** All that a broker keeps on its disk. */
export interface Disk {
  readonly folder: DataFolder;
  readonly logs: SegmentedLogs;
  readonly membership: MembershipStore;
  readonly space: DiskSpace;
  close(): Promise<void>;
}

const MEMBERSHIP_KEY = "membership";

/** @throws QuireError DATA_FOLDER_IN_USE, DATA_FOLDER_MISMATCH */
export async function openDisk(config: Config, { files, openStore, clock, random, pid }: BrokerPorts): Promise<Disk> {
  const folder = await openDataFolder({ files, openStore, folder: config.dataFolder, nodeId: nodeId(config.nodeId), pid, random });
  const { store } = folder;
  try {
    await checkMembership(folder, config.dataFolder);
  } catch (error) {
    await folder.close();
    throw error;
  }
  const space = new DiskSpace({ files, folder: config.dataFolder, clock, reserveBytes: config.disk.reserveBytes });
  await space.look().catch(async (error: unknown) => {
    await folder.close();
    throw error;
  });
  const logs = new SegmentedLogs({
    files,
    clock,
    folder: folder.logs,
    journal: { folder: folder.journal, appendBytesMax: config.journal.appendBytesMax },
    store,
    cacheBytes: config.cache.bytesMax,
  });
  return {
    folder,
    logs,
    membership: { load: () => store.get(MEMBERSHIP_KEY), save: (membership) => store.put(MEMBERSHIP_KEY, membership) },
    space,
    close: async () => {
      space.close();
      await logs.close();
      await folder.close();
    },
  };
}

/**
 * A disk that lost what it promised (terms, votes) must not come back as itself; with a fresh identity it may join anew. The membership
 * is written before the identity file names the cluster, so no crash leads here.
 */
async function checkMembership({ identity, store }: DataFolder, folder: string): Promise<void> {
  if (identity.clusterId === undefined || (await store.get(MEMBERSHIP_KEY)) !== undefined) return;
  const found = `its identity file is of cluster ${identity.clusterId}, and its database belongs to none`;
  throw mismatch(folder, found, "restore the database, or remove the folder and let this broker join anew", { clusterId: identity.clusterId });
}
