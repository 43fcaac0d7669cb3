import assert from "node:assert/strict";
import { test } from "node:test";
import type { Metadata } from "../../src/client/metadata.js";
import { resolveOptions } from "../../src/client/options.js";
import { systemPorts } from "../../src/client/ports.js";
import type { Producer } from "../../src/client/producer.js";
import type { AppendLimits } from "../../src/client/write-target.js";
import { TopicWriter, type WriteRequest } from "../../src/client/writer.js";

const PARTITIONS = 4;
const RECORD_BYTES = 500;

interface Appended extends AppendLimits {
  readonly partition: number;
}

/** Writes records to a producer that only notes what it is told. */
function writing({
  lingerMs = 0,
  underWayBytes = 1,
}: {
  readonly lingerMs?: number;
  readonly underWayBytes?: number;
}): (sentMs: number, where?: Partial<WriteRequest>) => Appended {
  const appended: Appended[] = [];
  const producer = {
    stopped: false,
    queue: { hasRoom: true, bytes: underWayBytes },
    target: (_: string, partition: number) => ({ partition, lane: { isEmpty: false, size: 0 } }),
    append: ({ partition }: { readonly partition: number }, _record: unknown, _completion: unknown, limits: AppendLimits) =>
      appended.push({ partition, ...limits }),
  };
  const route = { partitions: Array.from({ length: PARTITIONS }), batchBytesMax: 0 };
  const metadata = { cache: { topic: () => route, limits: undefined } } as unknown as Metadata;
  const options = resolveOptions({ brokers: ["127.0.0.1:1"], batchBytes: 4 * RECORD_BYTES, lingerMs });
  const writer = new TopicWriter("t", options, systemPorts, metadata, producer as unknown as Producer);
  return (sentMs, where = {}) => {
    const request = { key: undefined, partition: undefined, value: new Uint8Array(RECORD_BYTES), headers: [], timestampMs: 0, ...where };
    writer.write(request, { acknowledged() {}, rejected: (error) => assert.fail(error) }, sentMs);
    return appended.at(-1) ?? assert.fail("the producer was given nothing");
  };
}

test("records without a key that come fast wait for a full batch, which leaves with its last record", () => {
  const write = writing({});
  const given = Array.from({ length: 12 }, (_, at) => write(at / 2));
  assert.deepEqual(
    given.map(({ isLast }) => isLast),
    [1, 2, 3].flatMap(() => [false, false, false, true]),
  );
  for (const [at, { partition }] of given.entries()) assert.equal(partition === given[at - 1]?.partition, at % 4 !== 0, "each batch has a partition");
  assert.deepEqual(
    given.map(({ lingerMs }) => lingerMs),
    [0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4],
  );
  assert.equal(write(20).lingerMs, 0, "what comes later, by itself, does not wait");
});

test("with nothing under way no record waits, however fast they come", () => {
  const write = writing({ underWayBytes: 0 });
  for (let at = 0; at < 20; at++) assert.equal(write(at / 2).lingerMs, 0);
});

test("records with a key, or a partition given, wait no longer than the linger that was asked for", () => {
  const write = writing({ lingerMs: 2 });
  for (let at = 0; at < 12; at++) write(at / 2);
  assert.equal(write(6).lingerMs, 4);
  for (const where of [{ key: Buffer.from("k") }, { partition: 1 }]) {
    const { lingerMs, isLast } = write(6, where);
    assert.deepEqual([lingerMs, isLast], [2, false]);
  }
  assert.equal(writing({ lingerMs: 9 })(0).lingerMs, 9);
});
