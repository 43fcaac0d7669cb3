import { MUTATIONS } from "../../consensus/mutations.js";
import type { Mutant } from "./mutant.js";

/** The mistakes that the simulation of consensus alone is held to find, which gets far more of them to happen than whole clusters do. */
export const consensusMutants: readonly Mutant[] = MUTATIONS.map(({ name, file, find, replace }) => ({
  part: "consensus",
  name,
  edits: [{ file: `src/consensus/${file}`, find, replace }],
  leftTo: "the simulation of consensus",
}));
