/**
 * A consumer in a process of its own: `consumer-process BROKERS TOPIC GROUP HOW SESSION_MS`, where HOW is `after` or `manual`. Tells what it does on
 * standard output, line by line and before it goes on, so that what it did is known however it ends. SIGTERM closes it.
 */
import { writeSync } from "node:fs";
import { connect, text } from "../../src/client/index.js";

const [brokers = "", name = "", group = "", how = "after", sessionMs = "3000"] = process.argv.slice(2);

/** The clock since the machine began: the same for all processes. */
const tell = (kind: "processed" | "committed", partition: number, offset: number, value = ""): void => {
  writeSync(1, `${kind} ${Number(process.hrtime.bigint() / 1_000n) / 1_000} ${partition} ${offset} ${value}\n`);
};

// From the beginning on: whoever is asked to end while it begins ends well, too.
const ending = new AbortController();
process.once("SIGTERM", () => ending.abort());

const quire = await connect({ brokers: brokers.split(",") });
const isManual = how === "manual";
const consumer = await quire.topic<string>(name, { serializer: text }).consume(
  group,
  ({ partition, offset, value }, context) => {
    tell("processed", partition, offset, value);
    if (!isManual) return;
    // Not waited for, or each record would take as long as a commit. One that is refused says that others own the partition, who go on.
    void context.commit().then(
      () => tell("committed", partition, offset + 1),
      () => {},
    );
  },
  { commit: isManual ? "manual" : "after", sessionTimeoutMs: Number(sessionMs), signal: ending.signal },
);
await consumer.done;
await quire.close();
