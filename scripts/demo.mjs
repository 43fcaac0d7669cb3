// `npm run demo -- [options]`: builds, then runs the demonstration.
import "./build.mjs";

await import("../dist/scripts/demo.js");
