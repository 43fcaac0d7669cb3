/** Calls with one answer, and how they end. */
import { Metadata } from "@grpc/grpc-js";
import { toServiceError } from "../../../src/wire/status.js";
import { until } from "./echo.js";
import { answering, refusal, type Scenario, withEcho } from "./scenario.js";

export const unaryScenarios: readonly Scenario[] = [
  { name: "an answer", run: withEcho(answering, (echo) => echo.ask("hello")), seen: "answer hello" },
  {
    name: "an empty answer",
    run: withEcho(
      () => ({ ask: (_call, answer) => answer(null, "") }),
      (echo) => echo.ask("hello"),
    ),
    seen: "answer ",
  },
  {
    name: "metadata and deadline reach the handler",
    run: withEcho(
      () => ({ ask: (call, answer) => answer(null, `${call.metadata.get("quire-forwarded")} ${Number.isFinite(call.getDeadline())}`) }),
      async (echo, { wallMs }) => {
        const metadata = new Metadata();
        metadata.set("quire-forwarded", "1");
        return [await echo.ask("?", { metadata, deadline: wallMs() + 5_000 }), await echo.ask("?")];
      },
    ),
    seen: ["answer 1 true", "answer  false"],
  },
  {
    name: "a refusal with details",
    run: withEcho(
      () => ({ ask: (_call, answer) => answer(toServiceError(refusal)) }),
      (echo) => echo.ask("hello"),
    ),
    seen: "9 NOT_LEADER ask node 2",
  },
  {
    name: "a handler that throws",
    run: withEcho(
      () => ({
        ask: () => {
          throw new Error("secret");
        },
      }),
      (echo) => echo.ask("hello"),
    ),
    seen: "2 INTERNAL Unknown error",
  },
  {
    name: "an unknown method",
    run: withEcho(answering, (echo) => echo.ask("hello", { path: "/test.Echo/No" })),
    seen: "12 UNSUPPORTED The server does not implement the method /test.Echo/No",
  },
  { name: "a malformed request", run: withEcho(answering, (echo) => echo.ask("malformed")), seen: "3 INVALID_FIELD the request cannot be decoded" },
  {
    name: "a request beyond the limit",
    run: withEcho(answering, async (echo) => (await echo.ask("x".repeat(4 * 1024 * 1024))).slice(0, 40)),
    seen: "8 THROTTLED Received message larger than",
  },
  {
    name: "a deadline that passes",
    run: withEcho(
      (echo) => ({ ask: (call) => echo().watchServer(call) }),
      async (echo, transport) => {
        const answer = await echo.ask("hello", { deadline: transport.wallMs() + 100 });
        await until(transport, () => echo.atServer.length > 0);
        return [answer, echo.atServer];
      },
    ),
    seen: ["4 DEADLINE Deadline exceeded", ["cancelled"]],
  },
  {
    name: "a deadline that has passed",
    run: withEcho(answering, (echo, { wallMs }) => echo.ask("hello", { deadline: wallMs() - 1 })),
    seen: "4 DEADLINE Deadline exceeded",
  },
  {
    name: "a call that is cancelled",
    run: withEcho(
      (echo) => ({ ask: (call) => echo().watchServer(call) }),
      async (echo, transport) => {
        const abort = new AbortController();
        const asked = echo.ask("hello", { signal: abort.signal });
        await transport.wait(50);
        abort.abort();
        const answer = await asked;
        await until(transport, () => echo.atServer.length > 0);
        return [answer, echo.atServer];
      },
    ),
    seen: ["1 CANCELLED Cancelled on client", ["cancelled"]],
  },
  {
    name: "a handler is told cancelled after its answer too",
    run: withEcho(
      (echo) => ({
        ask: (call, answer) => {
          echo().watchServer(call);
          answer(null, "yes");
        },
      }),
      async (echo, transport) => {
        const answer = await echo.ask("hello");
        await until(transport, () => echo.atServer.length > 0);
        return [answer, echo.atServer];
      },
    ),
    seen: ["answer yes", ["cancelled"]],
  },
];
