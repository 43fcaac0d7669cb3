import { brokerMutants } from "./broker.js";
import { clientMutants } from "./client.js";
import { clusterMutants } from "./cluster.js";
import { consensusMutants } from "./consensus.js";
import { groupMutants } from "./groups.js";
import type { Mutant } from "./mutant.js";
import { replicaMutants } from "./replica.js";
import { storageMutants } from "./storage.js";

/** Deliberate mistakes, at least one for each rule of safety. Those of the whole code first: the simulation of consensus is held to find the others too. */
export const ALL_MUTANTS: readonly Mutant[] = [
  ...storageMutants,
  ...replicaMutants,
  ...clusterMutants,
  ...brokerMutants,
  ...clientMutants,
  ...groupMutants,
  ...consensusMutants,
];
