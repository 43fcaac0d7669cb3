import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { readOneAhead } from "../../src/rpc/narrow-reads.js";

test("a paused stream of objects reads one ahead, not sixteen", async () => {
  const readsWhilePaused = async (prepare: (stream: Readable) => void): Promise<number> => {
    let reads = 0;
    const stream = new Readable({
      objectMode: true,
      read() {
        reads += 1;
        // As a connection with more to give would: a moment later.
        setImmediate(() => this.push({ message: reads }));
      },
    });
    prepare(stream);
    stream.once("data", () => stream.pause());
    for (let turn = 0; turn < 60; turn++) await new Promise((resolve) => setImmediate(resolve));
    stream.destroy();
    return reads;
  };
  assert.ok((await readsWhilePaused(() => {})) > 10, "what it is for");
  assert.ok((await readsWhilePaused(readOneAhead)) <= 3);
});
