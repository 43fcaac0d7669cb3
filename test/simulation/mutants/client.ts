import { leftTo, type Mutant, mutantsOf } from "./mutant.js";

const mutant = mutantsOf("client");

export const clientMutants: readonly Mutant[] = [
  mutant("a lost answer is told as not written", [
    "client/producer.js",
    "const unknown = unknownOutcome(target, error.message, error);",
    "const unknown = error;",
  ]),
  mutant("time that is up is told as not written", [
    "client/write-errors.js",
    "if (inFlight || outcomeUnknown)\n        return unknownOutcome(at, `no acknowledgement",
    "if (false)\n        return unknownOutcome(at, `no acknowledgement",
  ]),
  mutant("what may be written is sent again unasked", [
    "client/producer.js",
    "if (batch.settled || !(this.#options.retryUnknown || batch.stamp !== undefined)) {",
    "if (batch.settled) {",
  ]),
  mutant("a batch that was given up leaves its sequence to the next one", ["client/sequence.js", "this.#isBroken = true;", "this.#next = stamp.baseSequence;"]),
  // Only who was forgotten amid its retries would be written twice, and here nobody is: brokers forget long after clients give up.
  leftTo(
    "test/client/parts.test.ts",
    mutant("what may be written is numbered anew after a gap", ["client/retry.js", 'return outcomeUnknown ? "unknown" : "renumber";', 'return "renumber";']),
  ),
  mutant("each attempt has a sequence of its own", ["client/producer.js", "batch.stamp ??= target.sequence.stamp", "batch.stamp = target.sequence.stamp"]),
  mutant("a refused batch is sent again behind later ones", ["client/lane.js", "[...this.#failed, ...this.#waiting]", "[...this.#waiting, ...this.#failed]"]),
  mutant("a new run begins while the old one is under way", ["client/lane.js", "if (this.#inFlight.length > 0)\n                return false;", ""]),
  mutant("an answer goes to another batch", [
    "client/produce-stream.js",
    "this.#events.onResult(token, result);",
    "this.#events.onResult([token, ...this.#unanswered.values()].at(-1), result);",
  ]),
  mutant("all records of a batch are told its first offset", ["client/outgoing-batch.js", "baseOffset + first", "baseOffset"]),
  mutant("a reader passes over a batch when it comes back", [
    "client/read-session.js",
    "link.stream.add(position.subscriptionId, this.#plan.topic, position.partition, position.at);",
    "link.stream.add(position.subscriptionId, this.#plan.topic, position.partition, position.failures > 0 && position.next > 0 ? atOffset(position.next + 1) : position.at);",
  ]),
  mutant("a reader begins anew when it comes back", ["client/read-session.js", "position.next = to;\n            position.at = atOffset(to);", ""]),
];
