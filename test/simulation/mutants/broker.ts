import { type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("broker");

export const brokerMutants: readonly Mutant[] = [
  mutant("a batch is acknowledged by its leader's disk alone", ["broker/produce.js", 'acks === "leader" && {', "true && {"]),
  mutant(
    "readers see what is not committed",
    ["replica/replica.js", "return this.#applier.nextOffset;", "return this.log.endOffset;"],
    ["broker/cursor.js", "const through = replica.commitIndex;", "const through = replica.log.lastIndex;"],
  ),
  mutant("what follows a refused batch is taken", ["rpc/runs.js", "if (run.isBroken)", "if (false)"]),
  mutant("a run goes on in another term", ["broker/produce.js", "request.ifTerm !== undefined && request.ifTerm !== replica.term", "false"]),
  mutant("a reader behind the log's start goes on where it begins", ["broker/cursor.js", "this.#position < earliest || ", "false || "]),
  mutant("a trim goes beyond the high watermark", ["broker/trim.js", "encodeTrimEntry(before)", "encodeTrimEntry(replica.log.endOffset)"]),
];
