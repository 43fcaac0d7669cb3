/**
 * A consumer that counts, in a process of its own: `commit-process BROKERS TOPIC GROUP HOW RECORDS`. HOW is `never`, `each` (after every record, as soon as
 * the commit before is answered) or `by-hand` (each record's own `commit()`). Writes one line when so many records are processed: seconds since the first, and
 * of processor time since then.
 */
import { bytes, connect } from "../../src/client/index.js";

const [brokers = "", name = "", group = "", how = "never", count = "0"] = process.argv.slice(2);
const quire = await connect({ brokers: brokers.split(",") });
let left = Number(count);
let startMs = 0;
let begin = process.cpuUsage();
const consumer = await quire.topic<Uint8Array>(name, { serializer: bytes }).consume(
  group,
  (record, context) => {
    if (startMs === 0) {
      startMs = performance.now();
      begin = process.cpuUsage();
    }
    // Looked at, as a program would.
    if (record.valueBytes === undefined) return;
    if (how === "by-hand") void context.commit().catch(() => {});
    if (--left === 0) done();
  },
  { commit: how === "each" ? "after" : "manual", commitIntervalMs: 0 },
);

function done(): void {
  const { user, system } = process.cpuUsage(begin);
  process.stdout.write(`${(performance.now() - startMs) / 1_000} ${(user + system) / 1e6}\n`);
  void consumer.close();
}
await consumer.done;
await quire.close();
