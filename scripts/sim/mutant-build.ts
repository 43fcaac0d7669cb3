import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mutant } from "../../test/simulation/mutants/mutant.js";

const BUILT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");

/** A copy of this build with a mistake in it. Stands beside it, so that whatever is found from a build's place is found from there too. */
export class MutantBuild {
  readonly folder: string;

  constructor({ edits }: Mutant, at: number) {
    this.folder = join(dirname(BUILT), `${basename(BUILT)}-mutant-${at}`);
    this.remove();
    for (const part of ["src", "test", "scripts"]) linkAll(join(BUILT, part), join(this.folder, part));
    for (const { file, find, replace } of edits) {
      const path = join(this.folder, file);
      const code = readFileSync(path, "utf8");
      if (code.split(find).length !== 2) throw new Error(`${file} should have this once: ${find}`);
      // Not written over: it is the same file as the one it was copied from.
      rmSync(path);
      writeFileSync(
        path,
        code.replace(find, () => replace),
      );
    }
  }

  /** Runs seeds with the mistake in it. */
  get worker(): string {
    return join(this.folder, "scripts/sim/worker.js");
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function linkAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkAll(source, target);
    else if (entry.name.endsWith(".js")) linkSync(source, target);
  }
}
