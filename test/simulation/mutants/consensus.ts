import { MUTATIONS } from "../../consensus/mutations.js";
import type { Mutant } from "./mutant.js";

/** The mistakes that the simulation of consensus alone is held to find, here in whole clusters. */
export const consensusMutants: readonly Mutant[] = MUTATIONS.map(({ name, file, find, replace }) => ({
  part: "consensus",
  name,
  edits: [{ file: `src/consensus/${file}`, find, replace }],
}));
