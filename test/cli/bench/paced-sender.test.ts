import assert from "node:assert/strict";
import { test } from "node:test";
import { QuireError } from "../../../src/base/errors.js";
import { PacedSender } from "../../../src/cli/bench/paced-sender.js";
import { Payload, stampOf } from "../../../src/cli/bench/payload.js";
import { Schedule } from "../../../src/cli/bench/schedule.js";
import { Tally } from "../../../src/cli/bench/tally.js";
import type { SendAllOptions, SendAllResult, Topic } from "../../../src/client/index.js";

type SendAll = (values: Iterable<Uint8Array>, options: SendAllOptions<Uint8Array>) => Promise<SendAllResult>;

const RESULT: SendAllResult = { records: 0, partitions: new Map() };

function senderOf(sendAll: SendAll, { perSecond }: { readonly perSecond: number }): { readonly sender: PacedSender; readonly tally: Tally } {
  const tally = new Tally();
  const records = { payload: new Payload(100), nextKey: () => undefined, bytes: 100, rate: perSecond };
  return { sender: new PacedSender({ sendAll } as Topic<Uint8Array>, new Schedule(0, perSecond), records, tally), tally };
}

test("each record of a fixed rate is sent once and timed from when it was due, one in so many beyond 20,000 a second", async () => {
  const stamps: number[] = [];
  const { sender, tally } = senderOf(
    async (values, { onProgress }) => {
      const sent = [...values].map((value) => stampOf(value as Buffer));
      stamps.push(...sent.filter((stamp) => stamp > 0));
      onProgress?.(sent.length - 1, 0);
      onProgress?.(sent.length, 1);
      return RESULT;
    },
    { perSecond: 60_000 },
  );
  await Promise.all(sender.sendDue(5));
  await Promise.all(sender.sendDue(5));
  const { records, bytes, failed, latenciesUs } = tally.report({ asked: false });
  assert.deepEqual([records, bytes, failed, latenciesUs.length], [300, 30_000, 0, 100]);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((ms) => stamps.filter((stamp) => stamp === ms).length),
    [20, 20, 20, 20, 20],
  );
});

test("while the client has no room for what is due, what becomes due is only counted, and sent later", async () => {
  let room: () => void = () => {};
  const sizes: number[] = [];
  const { sender } = senderOf(
    async (values) => {
      let size = 0;
      for (const _ of values) {
        if (size === 0) await new Promise<void>((resolve) => (room = resolve));
        size += 1;
      }
      sizes.push(size);
      return RESULT;
    },
    { perSecond: 4_000 },
  );
  const first = sender.sendDue(2);
  assert.equal(first.length, 1);
  assert.deepEqual(sender.sendDue(3), []);
  room();
  await Promise.all(first);
  const second = sender.sendDue(3);
  assert.equal(second.length, 1);
  room();
  await Promise.all(second);
  assert.deepEqual(sizes, [4, 4]);
});

test("what is refused counts as failed, what is not sent for it included", async () => {
  const { sender, tally } = senderOf(
    async (values, { onProgress }) => {
      for (const _ of values) break;
      onProgress?.(1, 0);
      throw new QuireError("BUFFER_FULL", "full");
    },
    { perSecond: 4_000 },
  );
  await Promise.all(sender.sendDue(1));
  const { records, failed, firstFailure } = tally.report({ asked: false });
  assert.deepEqual([records, failed, firstFailure], [1, 3, "BUFFER_FULL: full"]);
  assert.equal(sender.sendDue(2).length, 1, "it goes on");
});
