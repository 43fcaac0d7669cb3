import { QuireError } from "../base/errors.js";
import { type Files, makeLastingFolder, writeFile } from "./files.js";
import type { OpenStore, ReplicaStore } from "./replica-store.js";

const DATABASE = "db";
const NOTE = "broker.pid";

export interface LockOptions {
  readonly files: Files;
  readonly openStore: OpenStore;
  readonly folder: string;
  readonly pid: number;
}

/**
 * Opens the folder's database, whose lock keeps a second process out of the whole folder. The kernel holds that lock, so
 * nothing stale can be left behind, whatever became of the process and its id; the file with the process id is only read to say
 * who it is.
 *
 * @throws QuireError DATA_FOLDER_IN_USE naming the process
 */
export async function lockFolder({ files, openStore, folder, pid }: LockOptions): Promise<ReplicaStore> {
  await makeLastingFolder(files, folder);
  try {
    const store = await openStore(`${folder}/${DATABASE}`);
    await writeFile(files, `${folder}/${NOTE}`, Buffer.from(`${pid}\n`), { sync: false }).catch(async (error: unknown) => {
      await store.close();
      throw error;
    });
    return store;
  } catch (error) {
    if (!(error instanceof QuireError) || error.reason !== "DATA_FOLDER_IN_USE") throw error;
    const holder = Number((await files.readAll(`${folder}/${NOTE}`))?.toString());
    const who = Number.isInteger(holder) ? `process ${holder}` : "another process";
    throw new QuireError("DATA_FOLDER_IN_USE", `the data folder ${folder} is in use by ${who}; stop that one first, or give this broker another folder`, {
      details: { folder, ...(Number.isInteger(holder) && { pid: holder }) },
      cause: error,
    });
  }
}
