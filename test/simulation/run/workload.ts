/** What clients do in a run: producers with unique values, and readers that begin anew here and there. */
import { bytes as bytesSerializer, QuireError, type ReceivedBatch } from "../../../src/client/index.js";
import type { Chance } from "../kernel/chance.js";
import type { ProducerPlan, ReaderPlan, TopicPlan } from "./plan.js";
import { digestOf, outcomeOf, type Recorder } from "./recorder.js";
import type { ClientLife } from "./sim-client.js";

/** Sends of one producer under way at a time; beyond it the producer waits. */
const UNDER_WAY_MAX = 200;

export interface ProducerOptions {
  readonly name: string;
  readonly plan: ProducerPlan;
  readonly topic: TopicPlan;
  readonly chance: Chance;
  readonly recorder: Recorder;
  /** Numbers of its records, through all its lives. */
  readonly numbers: { next: number };
}

/** Sends at the plan's pace, whatever becomes of it, until it is fenced. */
export async function produce(life: ClientLife, { name, plan, topic, chance, recorder, numbers }: ProducerOptions): Promise<void> {
  const handle = life.quire.topic(topic.name, { serializer: bytesSerializer });
  const client = `${name}.${life.number}`;
  const underWay = new Set<Promise<void>>();
  life.process.onDeath(() => recorder.died(client));
  let isFenced = false;
  let call = 0;
  const send = async (partition: number): Promise<void> => {
    const value = `${client}-${numbers.next++}`;
    const key = `k${chance.below(20)}`;
    const body = Buffer.from(value.padEnd(1 + chance.below(plan.bytesMax), "."));
    const mayRepeat = plan.retryUnknown && !plan.idempotence;
    const settle = recorder.send({ client, partition: `${topic.name}/${partition}`, value, digest: digestOf(key, body), acks: plan.acks, mayRepeat, call });
    try {
      const { offset } = await handle.send(body, { key, partition });
      settle({ kind: "acknowledged", offset, term: 0 });
    } catch (thrown) {
      settle(outcomeOf(thrown));
      isFenced ||= thrown instanceof QuireError && thrown.reason === "PRODUCER_FENCED";
    }
  };
  while (life.isOn() && !isFenced) {
    call += 1;
    const partition = chance.below(topic.partitions);
    for (let left = plan.recordsPerCall; left > 0; left--) {
      const sent: Promise<void> = send(partition).finally(() => underWay.delete(sent));
      underWay.add(sent);
    }
    await life.pause(chance.between(0, 2 * plan.pauseMs));
    if (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  // Soon it takes the name back, and the other one notices.
  if (isFenced) await life.pause(chance.between(0, 20 * plan.pauseMs));
}

export interface ReadingOptions {
  readonly name: string;
  readonly plan: ReaderPlan;
  readonly chance: Chance;
  readonly recorder: Recorder;
}

/** Reads on and on; each session begins at the start, at the end, or at some offset. */
export async function consume(life: ClientLife, { name, plan, chance, recorder }: ReadingOptions): Promise<void> {
  const topic = life.quire.topic(plan.topic, { serializer: bytesSerializer });
  for (let session = 1; life.isOn(); session++) {
    const reader = `${name}.${life.number}.${session}`;
    const from = chance.pick(["earliest", "earliest", "latest"] as const) ?? "earliest";
    const reading = topic.read({ from });
    const end = life.process.clock.after(plan.sessionMs * 2 * chance.fraction(), () => void reading.close());
    try {
      for await (const batch of reading.batches()) {
        recorder.poll({ reader, partition: `${plan.topic}/${batch.partition}`, records: recordsOf(batch) });
        if (chance.oneIn(50)) await life.pause(chance.between(0, 3_000));
        if (!life.isOn()) break;
      }
    } catch (thrown) {
      if (!(thrown instanceof QuireError)) throw thrown;
    }
    end.cancel();
    await reading.close();
    await life.pause(50);
  }
}

/** No value is longer: what follows of a record is padding. */
const VALUE_BYTES_MAX = 48;

/** The records of a batch as the checkers want them; the value is what stands before the padding, which the digest covers. */
export const recordsOf = (batch: ReceivedBatch<Uint8Array>): { offset: number; value: string; digest: number }[] =>
  [...batch].map((record) => {
    const body = record.valueBytes ?? Buffer.alloc(0);
    return { offset: record.offset, value: valueIn(body), digest: digestOf(record.key ?? "", body) };
  });

/** A record may be long, and is read many times: unless it looks like none of ours, its beginning tells. */
function valueIn(body: Buffer): string {
  const head = body.toString("latin1", 0, VALUE_BYTES_MAX);
  const isWhole = body.length <= VALUE_BYTES_MAX || head.endsWith(".");
  return (isWhole ? head : body.toString("latin1")).replace(/\.+$/, "");
}
