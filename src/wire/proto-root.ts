import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert } from "../base/assert.js";

/** The package's `proto/` folder, wherever the compiled code stands: in a checkout's output folder or in an installed package. */
export const protoRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "proto", "quire", "v1", "produce.proto"))) {
    const parent = dirname(folder);
    assert(parent !== folder, "the package is complete: proto/quire/v1 stands beside dist/");
    folder = parent;
  }
  return join(folder, "proto");
})();

/** Files of the public contract, relative to `protoRoot`; also what server reflection shows. */
export const publicProtoFiles = [
  "quire/v1/produce.proto",
  "quire/v1/fetch.proto",
  "quire/v1/group.proto",
  "quire/v1/cluster.proto",
  "quire/v1/admin.proto",
] as const;
