import { leftTo, type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("broker");

export const brokerMutants: readonly Mutant[] = [
  mutant("a batch is acknowledged by its leader's disk alone", ["broker/produce.js", 'if (acks === "leader") {', "if (true) {"]),
  mutant(
    "readers see what is not committed",
    ["replica/replica.js", "return this.#applier.nextOffset;", "return this.log.endOffset;"],
    ["broker/cursor.js", "const through = replica.commitIndex;", "const through = replica.log.lastIndex;"],
  ),
  leftTo("test/rpc/produce-stream.test.ts", mutant("what follows a refused batch is taken", ["rpc/runs.js", "if (run.isBroken)", "if (false)"])),
  leftTo(
    "test/broker/produce.test.ts",
    mutant("a run goes on in another term", ["broker/produce.js", "request.ifTerm !== undefined && request.ifTerm !== replica.term", "false"]),
  ),
  mutant("a trim goes beyond the high watermark", ["broker/trim.js", "encodeTrimEntry(before)", "encodeTrimEntry(replica.log.endOffset)"]),
  mutant("a batch that is sent again is written again", ["broker/leading-producers.js", "if (batch.baseSequence < next)", "if (false)"]),
  mutant(
    "sequences are forgotten on failover",
    ["broker/idempotence.js", "const leading = new LeadingProducers", "table.clear();\n        const leading = new LeadingProducers"],
    ["broker/leading-producers.js", "if (batch.baseSequence > next)", "if (last !== undefined && batch.baseSequence > next)"],
  ),
  mutant(
    "an older epoch is accepted",
    ["broker/leading-producers.js", "if (epoch < Math.max(named, current ?? 0))", "if (false)"],
    ["broker/leading-producers.js", "if (batch.baseSequence > next)", "if (last !== undefined && batch.baseSequence > next)"],
  ),
  mutant("a gap is appended", ["broker/leading-producers.js", "if (batch.baseSequence > next)", "if (false)"]),
  mutant("a leader decides before it has applied what former leaders wrote", ["broker/produce.js", "request.batch.producerId === 0", "true"]),
  mutant("a retry is told the offset of the newest batch", [
    "broker/leading-producers.js",
    'return { kind: "written", original: there };',
    'return { kind: "written", original: written.batches.at(-1) };',
  ]),
  mutant("a snapshot forgets the producers", ["broker/partition-state.js", "if (this.producers.size > 0 || this.producers.toldMs > 0)", "if (false)"]),
];
