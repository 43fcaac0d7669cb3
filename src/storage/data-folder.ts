import { QuireError } from "../base/errors.js";
import type { NodeId } from "../base/ids.js";
import type { Random } from "../base/ports.js";
import { type Files, makeLastingFolder } from "./files.js";
import { lockFolder } from "./folder-lock.js";
import { DATA_FORMAT, inCluster, mismatch, readIdentity, writeIdentity } from "./identity.js";
import type { Identity, OpenStore, ReplicaStore } from "./replica-store.js";

const LOGS = "logs";

interface DataFolderOptions {
  readonly files: Files;
  readonly openStore: OpenStore;
  /** Made if need be. */
  readonly folder: string;
  readonly nodeId: NodeId;
  /** Of this process, for what a second one is told. */
  readonly pid: number;
  readonly random: Random;
}

/**
 * Opens a broker's data folder: nobody else's, not in use, of a known format. An empty one becomes this broker's.
 *
 * @throws QuireError DATA_FOLDER_IN_USE, DATA_FOLDER_MISMATCH, DISK_FULL
 */
export async function openDataFolder(options: DataFolderOptions): Promise<DataFolder> {
  try {
    return await open(options);
  } catch (error) {
    if (!isOutOfSpace(error)) throw error;
    throw new QuireError(
      "DISK_FULL",
      `the disk of ${options.folder} is full, so the broker cannot start; free some space first, nothing in the folder itself`,
      {
        details: { folder: options.folder },
        cause: error,
      },
    );
  }
}

/** Of the system, or of the database, which says it in words and as a cause. */
const isOutOfSpace = (error: unknown): boolean =>
  error instanceof Error && (("code" in error && error.code === "ENOSPC") || /no space left on device/i.test(error.message) || isOutOfSpace(error.cause));

async function open({ files, openStore, folder, nodeId, pid, random }: DataFolderOptions): Promise<DataFolder> {
  // Before anything is written: a folder that is not ours stays as it is.
  await readIdentity(files, folder, nodeId);
  const store = await lockFolder({ files, openStore, folder, pid });
  try {
    const found = await readIdentity(files, folder, nodeId);
    if (found !== undefined) return new DataFolder(files, folder, store, found);
    const logs = (await files.list(`${folder}/${LOGS}`)) ?? [];
    if (logs.length > 0 || (await store.replicas()).length > 0) {
      throw mismatch(folder, "it holds replicas and has no identity file", "restore that file, or remove the folder and let this broker join anew");
    }
    const identity: Identity = { formatVersion: DATA_FORMAT, nodeId, incarnation: random.uuid() };
    await makeLastingFolder(files, `${folder}/${LOGS}`);
    await writeIdentity(files, folder, identity);
    return new DataFolder(files, folder, store, identity);
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A broker's data folder, locked until it is closed. */
export class DataFolder {
  readonly store: ReplicaStore;
  /** Where the logs are. */
  readonly logs: string;
  /** Where the journal of all logs is. */
  readonly journal: string;
  readonly #files: Files;
  readonly #folder: string;
  #identity: Identity;

  constructor(files: Files, folder: string, store: ReplicaStore, identity: Identity) {
    this.#files = files;
    this.#folder = folder;
    this.store = store;
    this.#identity = identity;
    this.logs = `${folder}/${LOGS}`;
    this.journal = `${folder}/journal`;
  }

  get identity(): Identity {
    return this.#identity;
  }

  /** From now on this folder is of that cluster and no other; on disk before it resolves. @throws QuireError DATA_FOLDER_MISMATCH */
  async joinCluster(clusterId: string): Promise<void> {
    const identity = inCluster(this.#folder, this.#identity, clusterId);
    if (this.#identity.clusterId === clusterId) return;
    await writeIdentity(this.#files, this.#folder, identity);
    this.#identity = identity;
  }

  /** Closes the store and lets others in. */
  close(): Promise<void> {
    return this.store.close();
  }
}
