/** Any message of the hot methods, in the shape that both the hand codecs and proto-loader's take. */
import fc from "fast-check";

export const int64 = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, 1, -1, 127, 128, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 35, 2 ** 49, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);
export const int32 = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)));
export const text = fc.string({ unit: "grapheme", maxLength: 40 });
export const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
/** Plain objects: the codecs' own have a prototype too. */
export const record = <T extends object>(model: { [Key in keyof T]: fc.Arbitrary<T[Key]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null, freq: 3 });

export const batch = record({
  baseOffset: int64,
  term: int64,
  baseTimestampMs: int64,
  maxTimestampMs: int64,
  recordCount: int32,
  compression: int32,
  uncompressedBytes: int32,
  producerId: int64,
  producerEpoch: int32,
  baseSequence: int32,
  priority: int32,
  crc32: fc.option(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { nil: undefined }),
  body: bytes,
});
const leader = record({ nodeId: int32, address: text, term: int64 });
const position = fc.oneof(
  record({ position: fc.constant("offset" as const), offset: int64 }),
  record({ position: fc.constant("timestampMs" as const), timestampMs: int64 }),
  record({ position: fc.constant("named" as const), named: int32 }),
  fc.constant({}),
);
const status = record({ code: int32, message: text, details: fc.array(record({ type_url: text, value: bytes }), { maxLength: 3 }) });

export const produceRequest = record({
  batches: fc.array(record({ correlationId: int64, topic: text, partition: int32, acks: int32, timeoutMs: int32, batch: orNull(batch), run: int64 }), {
    maxLength: 4,
  }),
});
export const produceResponse = record({
  results: fc.array(record({ correlationId: int64, baseOffset: int64, replicasOnDisk: int32, leader: orNull(leader), error: orNull(status) }), {
    maxLength: 4,
  }),
});
export const fetchRequest = record({ topic: text, partition: int32, offset: int64, maxBytes: int32, minBytes: int32, maxWaitMs: int32 });
export const fetchResponse = record({
  batches: fc.array(batch, { maxLength: 4 }),
  highWatermark: int64,
  logStartOffset: int64,
  nextOffset: int64,
  leader: orNull(leader),
});
const step = <Name extends string, T>(name: Name, arbitrary: fc.Arbitrary<T>) =>
  arbitrary.map((value) => ({ step: name, [name]: value }) as { step: Name } & Record<Name, T>);
export const subscribeRequest = fc.oneof(
  step("add", record({ subscriptionId: int64, topic: text, partition: int32, position: orNull(position) })),
  step("seek", record({ subscriptionId: int64, position: orNull(position) })),
  step("remove", record({ subscriptionId: int64 })),
  step("credit", record({ totalBytes: int64 })),
  fc.constant({}),
);
export const subscribeResponse = fc.oneof(
  step("batches", record({ subscriptionId: int64, batches: fc.array(batch, { maxLength: 4 }), highWatermark: int64 })),
  step("started", record({ subscriptionId: int64, offset: int64, leader: orNull(leader) })),
  step("caughtUp", record({ subscriptionId: int64, offset: int64 })),
  step("end", record({ subscriptionId: int64, error: orNull(status), leader: orNull(leader) })),
  step("heartbeat", fc.constant({})),
  fc.constant({}),
);
