import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fifo } from "../../src/base/fifo.js";

test("a queue is what an array is", () => {
  const step = fc.oneof({ weight: 3, arbitrary: fc.nat(1_000) }, { weight: 2, arbitrary: fc.constantFrom("shift", "shift", "pop", "clear") });
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 300 }), (steps) => {
      const queue = new Fifo<number>();
      const model: number[] = [];
      for (const what of steps) {
        if (typeof what === "number") {
          queue.push(what);
          model.push(what);
        } else if (what === "clear") {
          queue.clear();
          model.length = 0;
        } else assert.equal(queue[what](), model[what]());
        assert.equal(queue.size, model.length);
        assert.deepEqual(
          Array.from({ length: model.length + 2 }, (_, at) => queue.at(at - 1)),
          [undefined, ...model, undefined],
        );
      }
    }),
  );
});
