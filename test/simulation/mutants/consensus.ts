import { MUTATIONS } from "../../consensus/mutations.js";
import { leftTo, type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("consensus");
const SCENARIOS = "test/consensus/election.test.ts";

/** What makes service worse, or needs a change amid damage, is seen in what each replica says. */
const inScenarios: readonly Mutant[] = [
  leftTo(
    SCENARIOS,
    mutant("rule 5: who hears a leader helps to depose it", [
      "consensus/election.js",
      "&& !shieldsLeader(state) && acceptsLog(state, last)",
      "&& acceptsLog(state, last)",
    ]),
  ),
  leftTo(
    SCENARIOS,
    mutant("rule 5: a leader that reaches nobody leads on", [
      "consensus/leader.js",
      "const reachesQuorum = (state, { progress }) => ",
      "const reachesQuorum = (state, { progress }) => true || ",
    ]),
  ),
  leftTo(
    SCENARIOS,
    mutant("rule 8: who is handed the leadership stands before it has everything", [
      "consensus/transfer.js",
      "if (target?.match !== state.log.lastIndex)",
      "if (target === undefined)",
    ]),
  ),
  leftTo(
    SCENARIOS,
    mutant("rule 8: a transfer is never given up", [
      "consensus/transfer.js",
      "if (transfer.ticks >= state.options.electionTicks || leadership.progress.get(transfer.to) === undefined)",
      "if (false)",
    ]),
  ),
  leftTo(
    "test/consensus/doubt.test.ts",
    mutant("rule 10: a doubt ends by the own W, though others go by a lower one", [
      "consensus/doubt.js",
      "[membership.current, ...differing].every(",
      "[membership.current].every(",
    ]),
  ),
];

/** The mistakes that the simulation of consensus alone is held to find, which gets far more of them to happen than whole clusters do. */
const ofSafety: readonly Mutant[] = MUTATIONS.map(({ name, file, find, replace }) => ({
  part: "consensus",
  name,
  edits: [{ file: `src/consensus/${file}`, find, replace }],
  leftTo: "the simulation of consensus",
}));

export const consensusMutants: readonly Mutant[] = [...ofSafety, ...inScenarios];
