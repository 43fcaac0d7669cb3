import { QuireError } from "../base/errors.js";
import type { NodeId } from "../base/ids.js";
import { decodeCheckedJson, encodeCheckedJson } from "./checked-json.js";
import { type Files, replaceFile } from "./files.js";
import type { Identity } from "./replica-store.js";

/** Of everything below the data folder. A broker opens folders of its own format and refuses later ones. */
export const DATA_FORMAT = 1;
const NAME = "identity";

/** The identity in the folder, or undefined for a folder that is not in use yet. @throws QuireError DATA_FOLDER_MISMATCH */
export async function readIdentity(files: Files, folder: string, nodeId: NodeId): Promise<Identity | undefined> {
  const bytes = await files.readAll(`${folder}/${NAME}`);
  if (bytes === undefined) return undefined;
  const identity = decodeCheckedJson(bytes) as Identity | undefined;
  if (identity === undefined) {
    throw mismatch(folder, `its identity file is damaged`, "restore that file, or remove the folder and let this broker join anew");
  }
  const { formatVersion } = identity;
  if (formatVersion !== DATA_FORMAT) {
    throw mismatch(
      folder,
      `it has format ${formatVersion}, and this release knows formats up to ${DATA_FORMAT}`,
      "run the release that wrote it, or one after it",
      { formatVersion },
    );
  }
  if (identity.nodeId !== nodeId) {
    throw mismatch(folder, `it belongs to node ${identity.nodeId}, and this is node ${nodeId}`, "give each broker its own data folder, or correct nodeId", {
      found: identity.nodeId,
      nodeId,
    });
  }
  return identity;
}

/** Makes the folder this broker's; on disk before it resolves. */
export async function writeIdentity(files: Files, folder: string, identity: Identity): Promise<void> {
  await replaceFile(files, folder, NAME, encodeCheckedJson(identity));
}

/** What the folder is once it belongs to the cluster. @throws QuireError DATA_FOLDER_MISMATCH when it belongs to another */
export function inCluster(folder: string, identity: Identity, clusterId: string): Identity {
  if (identity.clusterId !== undefined && identity.clusterId !== clusterId) {
    throw mismatch(
      folder,
      `it belongs to cluster ${identity.clusterId}, and this is cluster ${clusterId}`,
      "correct the list of peers, or use another data folder",
      {
        found: identity.clusterId,
        clusterId,
      },
    );
  }
  return { ...identity, clusterId };
}

export const mismatch = (folder: string, found: string, remedy: string, details: Readonly<Record<string, string | number>> = {}): QuireError =>
  new QuireError("DATA_FOLDER_MISMATCH", `the data folder ${folder} cannot be used: ${found}; ${remedy}`, { details: { folder, ...details } });
