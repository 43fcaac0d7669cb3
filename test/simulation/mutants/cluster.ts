import { type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("cluster");

export const clusterMutants: readonly Mutant[] = [
  mutant("rule 1: W + R = N is accepted", ["base/quorum.js", "if (w + r <= n)", "if (w + r < n)"]),
  mutant("rule 7: a wiped disk keeps its replica ids", [
    "cluster/metadata-state.js",
    "replica.nodeId === nodeId ? { replicaId: this.#nextReplicaId(), nodeId } : replica",
    "replica",
  ]),
  mutant("a founder founds alone", [
    "cluster/formation-plan.js",
    'if (missing.length > 0)\n        return { kind: "wait", why: `no answer',
    'if (missing.length > peers.length)\n        return { kind: "wait", why: `no answer',
  ]),
  mutant("every founder founds", ["cluster/formation-plan.js", "if (self.nodeId !== lowest)", "if (false)"]),
];
