// Installs what is missing and compiles src, test and scripts into dist. Silent when all is well.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root, runTool } from "./lib/project.mjs";

ensureInstalled();
removeLeftovers();
runTool("tsc", ["-p", "."], { quiet: true });

/** Removes compiled files whose source is gone: a deleted test must not go on running. */
function removeLeftovers() {
  for (const folder of ["src", "test", "scripts"]) {
    const compiled = join(root, "dist", folder);
    if (!existsSync(compiled)) continue;
    for (const entry of readdirSync(compiled, { recursive: true, withFileTypes: true })) {
      const output = join(entry.parentPath, entry.name);
      const source = output.replace(join(root, "dist"), root).replace(/(\.d\.ts|\.js\.map|\.js)$/, ".ts");
      if (entry.isFile() && !existsSync(source)) rmSync(output);
    }
  }
}
