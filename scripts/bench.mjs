// `npm run bench -- [--rows a,b] [--rounds 3] [--quick]`: builds, then measures the rows of scripts/bench/rows.ts and writes RESULTS.md beside it.
import "./build.mjs";

await import("../dist/scripts/bench/run.js");
