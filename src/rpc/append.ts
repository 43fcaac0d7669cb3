import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { partitionOfKey } from "../base/murmur2.js";
import { type AcksName, plainHeader } from "../base/record-batch.js";
import { walkRecords } from "../base/records-walk.js";
import { InflightBytes } from "../broker/inflight-bytes.js";
import type { OfferedBatch, ProduceResult } from "../broker/types.js";
import type { AppendedRecord, AppendRecord, AppendRequest, AppendResponse, Init } from "../wire/messages.js";
import { RecordsEncoder } from "../wire/records-codec.js";
import { produceService } from "../wire/services.js";
import { fromStatus, toStatus } from "../wire/status.js";
import type { CallContext } from "./call-context.js";
import { answerOf, type Edge } from "./edge.js";
import type { RemoteBroker } from "./forward.js";
import { acksField, count, partitionNumber, refuseField, timestampField, topicName } from "./validate.js";

/** Records of one partition, and where in the request they stood. */
interface Part {
  readonly partition: number;
  readonly positions: number[];
  readonly records: AppendRecord[];
}

/** The same, ready to be written. */
interface EncodedPart extends Part {
  readonly batch: OfferedBatch;
}

interface ParsedAppend {
  readonly topic: string;
  readonly acks: AcksName;
  readonly wireAcks: number;
  readonly partition: number | undefined;
  readonly records: readonly AppendRecord[];
  /** Of an idempotent producer; zeros for none. */
  readonly producer: Pick<OfferedBatch, "producerId" | "producerEpoch" | "baseSequence">;
}

/** What was written here, or the records' answers of the leader. */
type PartOutcome = ProduceResult | readonly AppendedRecord[];

/** Unary `Append`: records in the clear, spread over partitions by key, each partition's part written by its leader. */
export class Append {
  readonly #edge: Edge;
  readonly #forwarding: InflightBytes;

  constructor(edge: Edge) {
    this.#edge = edge;
    this.#forwarding = new InflightBytes(edge.limits.forwardBytesMax, edge.clock);
  }

  async run(request: AppendRequest, context: CallContext): Promise<Init<AppendResponse>> {
    const append = parseAppend(request);
    const parts = this.#encode(append, this.#split(append));
    const answers: Init<AppendedRecord>[] = new Array(append.records.length);
    const refusals: QuireError[] = [];
    await Promise.all(
      parts.map(async (part) => {
        const outcome = await this.#appendPart(append, part, context).catch((thrown: unknown) => answerOf(thrown, this.#edge));
        if (outcome instanceof QuireError) refusals.push(outcome);
        part.positions.forEach((position, n) => {
          answers[position] = recordAnswer(part, outcome, n);
        });
      }),
    );
    const [first] = refusals;
    // One reason for all: the call itself fails with it.
    if (first !== undefined && refusals.length === parts.length && refusals.every(({ reason }) => reason === first.reason)) throw first;
    return { records: answers };
  }

  #split({ topic, partition, records }: ParsedAppend): Part[] {
    if (partition !== undefined) return [{ partition, positions: records.map((_, i) => i), records: [...records] }];
    const info = this.#edge.view.topic(topic);
    // Unknown here: the data plane says why, for any partition.
    const partitions = info?.partitions ?? 1;
    const parts = new Map<number, Part>();
    let keyless: number | undefined;
    records.forEach((record, position) => {
      if (record.key === undefined) keyless ??= this.#anyPartition(topic, partitions);
      const chosen = record.key === undefined ? (keyless ?? 0) : partitionOfKey(record.key, partitions);
      const part = parts.get(chosen) ?? { partition: chosen, positions: [], records: [] };
      part.positions.push(position);
      part.records.push(record);
      parts.set(chosen, part);
    });
    return [...parts.values()];
  }

  /** A partition by chance, one with a leader if there is any. */
  #anyPartition(topic: string, partitions: number): number {
    const { view, random } = this.#edge;
    const start = random.below(partitions);
    for (let i = 0; i < partitions; i++) {
      const partition = (start + i) % partitions;
      const info = view.partition({ topic, partition });
      if (info !== undefined && view.leader(info.replicaSetId) !== undefined) return partition;
    }
    return start;
  }

  /** Encodes every part before anything is written, so that a request that is refused for its size leaves nothing behind. */
  #encode({ records, topic, producer }: ParsedAppend, parts: readonly Part[]): EncodedPart[] {
    const { limits: edgeLimits, clock, view } = this.#edge;
    const now = clock.wallMs();
    const encoded = parts.map((part) => ({ ...part, batch: { ...encodeBatch(part, now, edgeLimits.recordBytesMax), ...producer } }));
    const bytes = encoded.reduce((sum, { batch }) => sum + batch.body.length, 0);
    const max = Math.min(edgeLimits.batchBytesMax, view.topic(topic)?.settings.batchBytesMax ?? edgeLimits.batchBytesMax);
    if (bytes > max) {
      throw new QuireError(
        "BATCH_TOO_LARGE",
        `the ${records.length} records take ${bytes} bytes; the limit is ${max} (produce.batchBytesMax, or the topic's batch_bytes_max); append fewer at a time`,
        {
          details: { bytes, limit: max },
          fields: [{ field: "records", description: `${bytes} bytes; at most ${max}` }],
        },
      );
    }
    return encoded;
  }

  #appendPart(append: ParsedAppend, part: EncodedPart, context: CallContext): Promise<PartOutcome> {
    return this.#edge.forwarder.run<PartOutcome>(context, {
      to: { topic: append.topic, partition: part.partition },
      writes: true,
      here: () =>
        new Promise((resolve, reject) => {
          const request = {
            topic: append.topic,
            partition: part.partition,
            acks: append.acks,
            timeoutMs: Math.max(1, context.remainingMs()),
            batch: part.batch,
          };
          this.#edge.dataPlane.produce(request, (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)));
        }),
      there: (broker) => this.#forward(append, part, broker),
    });
  }

  async #forward(append: ParsedAppend, part: EncodedPart, broker: RemoteBroker): Promise<readonly AppendedRecord[]> {
    this.#forwarding.take(part.batch.body.length);
    try {
      const request = { topic: append.topic, partition: part.partition, records: part.records, acks: append.wireAcks, ...append.producer };
      const { records } = await broker.call(produceService.Append, request);
      const failed = records.find(({ error }) => error !== null)?.error;
      if (failed) throw fromStatus(failed);
      if (records.length !== part.records.length) {
        throw new QuireError(
          "WRITE_OUTCOME_UNKNOWN",
          `the leader answered for ${records.length} of ${part.records.length} records; the others may or may not be written`,
        );
      }
      return records;
    } finally {
      this.#forwarding.give(part.batch.body.length);
    }
  }
}

/** @throws QuireError INVALID_FIELD, INVALID_NAME */
function parseAppend(request: AppendRequest): ParsedAppend {
  const topic = topicName(request.topic, "topic");
  count(request.records, "records", 1, limits.batchRecords);
  request.records.forEach(({ headers, timestampMs }, i) => {
    if (headers.length > limits.headersPerRecord)
      refuseField(`records[${i}].headers`, `has ${headers.length} headers`, `the limit is ${limits.headersPerRecord}`);
    if (timestampMs !== undefined) timestampField(timestampMs, `records[${i}].timestamp_ms`);
  });
  return {
    topic,
    acks: acksField(request.acks, "acks"),
    wireAcks: request.acks,
    partition: request.partition === undefined ? undefined : partitionNumber(request.partition, "partition"),
    records: request.records,
    producer: parseProducer(request),
  };
}

/** Bounds are the data plane's to check. */
function parseProducer({ producerId, producerEpoch, baseSequence, partition }: AppendRequest): ParsedAppend["producer"] {
  if (producerId !== 0 && partition === undefined) {
    refuseField("partition", "is missing with a producer_id", "sequences count records of one partition: set it");
  }
  return { producerId, producerEpoch, baseSequence };
}

function encodeBatch({ records, positions }: Part, now: number, recordBytesMax: number): OfferedBatch {
  let baseTimestampMs = Number.POSITIVE_INFINITY;
  let maxTimestampMs = 0;
  for (const { timestampMs = now } of records) {
    baseTimestampMs = Math.min(baseTimestampMs, timestampMs);
    maxTimestampMs = Math.max(maxTimestampMs, timestampMs);
  }
  const encoder = new RecordsEncoder();
  for (const { key, value, headers, timestampMs = now } of records) encoder.append(key, value, timestampMs - baseTimestampMs, headers);
  const body = encoder.take();
  const walk = walkRecords(body);
  if (walk !== undefined && walk.largestBytes > recordBytesMax) refuseLargeRecord(positions[walk.largest] ?? 0, walk.largestBytes, recordBytesMax);
  return { ...plainHeader(body, { recordCount: records.length, baseTimestampMs, maxTimestampMs }), body };
}

function refuseLargeRecord(position: number, bytes: number, limit: number): never {
  const message = `records[${position}] is ${bytes} bytes; the limit is ${limit} (produce.recordBytesMax); store large values elsewhere and send where`;
  throw new QuireError("RECORD_TOO_LARGE", message, { details: { bytes, limit }, fields: [{ field: `records[${position}]`, description: message }] });
}

/** The answer for the part's record `n`. */
function recordAnswer({ partition }: Part, outcome: PartOutcome | QuireError, n: number): Init<AppendedRecord> {
  if (outcome instanceof QuireError) return { partition, offset: -1, replicasOnDisk: 0, error: toStatus(outcome) };
  if ("baseOffset" in outcome) {
    const { baseOffset, replicasOnDisk } = outcome;
    return { partition, offset: baseOffset < 0 ? baseOffset : baseOffset + n, replicasOnDisk, error: null };
  }
  return outcome[n] ?? { partition, offset: -1 };
}
