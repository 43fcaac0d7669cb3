// `npm run sim:mutants -- [--only PART] [--seeds N]`: builds, then breaks the code on purpose and sees whether the simulation finds it.
import "./build.mjs";

await import("../dist/scripts/sim/mutants.js");
