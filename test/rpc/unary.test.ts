import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { Metadata, type ServerUnaryCall, type ServiceError } from "@grpc/grpc-js";
import { InvariantError } from "../../src/base/assert.js";
import { QuireError } from "../../src/base/errors.js";
import { silentLogger } from "../../src/base/silent-logger.js";
import type { CallContext } from "../../src/rpc/call-context.js";
import type { Edge } from "../../src/rpc/edge.js";
import { UnaryCalls, unary } from "../../src/rpc/unary.js";
import { fromGrpcError } from "../../src/wire/status.js";
import { FakeClock, settle } from "../support/fake-clock.js";

interface Asked {
  readonly clock: FakeClock;
  readonly calls: UnaryCalls;
  readonly call: EventEmitter;
  readonly answers: (string | undefined)[];
  readonly context: () => CallContext;
}

/** Calls a handler as gRPC would; `answers` are the reasons it answered with, or "ok". */
function ask(handle: (context: CallContext) => Promise<string>, { deadline = Number.POSITIVE_INFINITY, writes = false, clock = new FakeClock() } = {}): Asked {
  const edge = { clock, logger: silentLogger, limits: { unaryCallsMax: 5 } } as unknown as Edge;
  const calls = new UnaryCalls();
  const call = Object.assign(new EventEmitter(), { request: {}, metadata: new Metadata(), getDeadline: () => deadline });
  const answers: string[] = [];
  let context: CallContext | undefined;
  const handler = unary(edge, calls, { deadlineMs: 5_000, writes }, (_request: object, given) => {
    context = given;
    return handle(given);
  });
  handler(call as unknown as ServerUnaryCall<object, string>, (error, answer) =>
    answers.push(error === null ? String(answer) : fromGrpcError(error as ServiceError).reason),
  );
  return {
    clock,
    calls,
    call,
    answers,
    context: () => {
      assert.ok(context !== undefined);
      return context;
    },
  };
}
const forever = (): Promise<string> => new Promise(() => {});

test("a call without a deadline gets the default one, and its handler learns that it is over", async () => {
  const { clock, answers, calls, context } = ask(forever);
  assert.equal(context().remainingMs(), 5_000);
  clock.advance(5_000);
  assert.deepEqual(answers, []);
  clock.advance(200);
  assert.deepEqual(answers, ["DEADLINE"]);
  assert.ok(context().signal.aborted);
  assert.equal(calls.underWay, 0);
  assert.equal(clock.timers, 0);
});

test("a call that writes and is not answered in time has an unknown outcome", () => {
  const { clock, answers } = ask(forever, { writes: true });
  clock.advance(10_000);
  assert.deepEqual(answers, ["WRITE_OUTCOME_UNKNOWN"]);
});

test("the client's own deadline holds, also one that is over", () => {
  const clock = new FakeClock();
  assert.equal(
    ask(forever, { deadline: clock.wallMs() + 70, clock })
      .context()
      .remainingMs(),
    70,
  );
  assert.equal(
    ask(forever, { deadline: clock.wallMs() - 70, clock })
      .context()
      .remainingMs(),
    0,
  );
});

test("a cancelled call is answered once, and its handler is told", async () => {
  const { call, answers, context, calls } = ask(forever);
  call.emit("cancelled");
  call.emit("cancelled");
  assert.deepEqual(answers, ["CANCELLED"]);
  assert.ok(context().signal.aborted);
  assert.equal(calls.underWay, 0);
});

test("whatever a handler throws becomes one status", async () => {
  for (const [thrown, reason] of [
    [new QuireError("TOPIC_NOT_FOUND", "no"), "TOPIC_NOT_FOUND"],
    [new Error("oops"), "INTERNAL"],
    ["text", "INTERNAL"],
  ] as const) {
    const { answers } = ask(() => {
      throw thrown;
    });
    await settle();
    assert.deepEqual(answers, [reason]);
  }
});

test("a broken invariant is answered, and thrown again where nothing catches it", async () => {
  const clock = new FakeClock();
  const later: (() => void)[] = [];
  clock.soon = (run) => later.push(run);
  const { answers } = ask(() => Promise.reject(new InvariantError("terms never go back")), { clock });
  await settle();
  assert.deepEqual(answers, ["INTERNAL"]);
  assert.throws(() => later[0]?.(), InvariantError);
});
