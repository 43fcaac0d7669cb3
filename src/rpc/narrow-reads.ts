import type { Readable } from "node:stream";
import { assert } from "../base/assert.js";

/**
 * Lets a call read one message ahead instead of sixteen. gRPC calls are object streams, which buffer 16 objects of up
 * to 3 MiB each while they are paused; there is no option for it in @grpc/grpc-js 1.14. A test asserts the effect.
 */
export function readOneAhead(call: Readable): void {
  const state: unknown = Reflect.get(call, "_readableState");
  assert(typeof state === "object" && state !== null && "highWaterMark" in state, "a readable stream has a state with a high water mark");
  state.highWaterMark = 1;
}
