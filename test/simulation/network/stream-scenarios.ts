import { toServiceError } from "../../../src/wire/status.js";
import { type EchoHandlers, type ServerStream, until } from "./echo.js";
import { ALL, echoing, refusal, type Scenario, seenBoth, withEcho } from "./scenario.js";

export const streamScenarios: readonly Scenario[] = [
  {
    name: "an echo to its polite end",
    run: withEcho(echoing, async (echo, transport) => {
      const call = echo.talk();
      for (const text of ["a", "", "c"]) call.write(text);
      call.end();
      await until(transport, () => echo.client.includes("end") && echo.atServer.includes("cancelled") && echo.atServer.includes("close"));
      return seenBoth(echo);
    }),
    seen: { client: ["data a", "data ", "data c", "status 0", "end"], atServer: ["data a", "data ", "data c", "end", "close", "cancelled"] },
  },
  {
    name: "a write is called back, and not at once",
    run: withEcho(echoing, async (echo, transport) => {
      const call = echo.talk();
      call.write("a", () => echo.client.push("written"));
      echo.client.push("after write");
      await until(transport, () => echo.client.includes("data a") && echo.client.includes("written"));
      call.cancel();
      return [...echo.client].sort();
    }),
    seen: ["after write", "data a", "written"],
  },
  {
    name: "the server refuses a stream after a message",
    run: withEcho(
      (echo) => ({
        talk: (call) => {
          echo().watchServer(call, ALL);
          call.on("data", () => call.emit("error", toServiceError(refusal)));
        },
      }),
      async (echo, transport) => {
        echo.talk().write("a");
        await until(transport, () => echo.client.includes("end") && echo.atServer.includes("cancelled") && echo.atServer.includes("close"));
        return seenBoth(echo);
      },
    ),
    seen: { client: ["error 9 NOT_LEADER ask node 2", "status 9", "end"], atServer: ["data a", "error", "cancelled", "close"] },
  },
  {
    name: "the server ends a stream that the client has not ended; what is written then is called back",
    run: withEcho(
      (echo) => ({
        talk: (call) => {
          echo().watchServer(call, ALL);
          call.on("data", () => {
            call.write("bye");
            call.end();
          });
        },
      }),
      async (echo, transport) => {
        const call = echo.talk();
        call.write("a");
        await until(transport, () => echo.client.includes("end") && echo.atServer.includes("cancelled") && echo.atServer.includes("close"));
        call.write("b", () => echo.client.push("written"));
        await until(transport, () => echo.client.includes("written"));
        return seenBoth(echo);
      },
    ),
    seen: { client: ["data bye", "status 0", "end", "written"], atServer: ["data a", "cancelled", "close"] },
  },
  {
    name: "the client cancels a stream",
    run: withEcho(echoing, async (echo, transport) => {
      const call = echo.talk();
      call.write("a");
      await until(transport, () => echo.client.includes("data a"));
      call.cancel();
      echo.client.push("after cancel");
      await until(transport, () => echo.client.includes("end") && echo.atServer.includes("cancelled") && echo.atServer.includes("close"));
      return seenBoth(echo);
    }),
    seen: { client: ["data a", "after cancel", "error 1 CANCELLED Cancelled on client", "status 1", "end"], atServer: ["data a", "end", "close", "cancelled"] },
  },
  {
    name: "a malformed message on a stream",
    run: withEcho(echoing, async (echo, transport) => {
      echo.talk().write("malformed");
      await until(transport, () => echo.client.includes("end") && echo.atServer.includes("cancelled") && echo.atServer.includes("close"));
      return seenBoth(echo);
    }),
    seen: { client: ["error 3 INVALID_FIELD the request cannot be decoded", "status 3", "end"], atServer: ["cancelled", "close"] },
  },
  {
    name: "a stream of answers",
    run: withEcho(
      (echo) => ({
        tell: (call) => {
          echo().watchServer(call, ["error", "cancelled", "close"]);
          for (let i = 0; i < 3; i++) call.write(`${call.request} ${i}`);
          call.end();
        },
      }),
      async (echo, transport) => {
        echo.tell("x");
        await until(transport, () => echo.client.includes("end") && echo.atServer.includes("close"));
        return seenBoth(echo);
      },
    ),
    seen: { client: ["data x 0", "data x 1", "data x 2", "status 0", "end"], atServer: ["close", "cancelled"] },
  },
  {
    name: "a stream of answers that is refused at once",
    run: withEcho(
      () => ({ tell: (call) => void call.emit("error", toServiceError(refusal)) }),
      async (echo, transport) => {
        echo.tell("x");
        await until(transport, () => echo.client.includes("end"));
        return echo.client;
      },
    ),
    seen: ["error 9 NOT_LEADER ask node 2", "status 9", "end"],
  },
];

const KIB_64 = "x".repeat(65_536);

/** A paused reader makes writers wait within bounds, and gets everything once it reads. */
const slowServer =
  (calls: ServerStream[]): (() => EchoHandlers) =>
  () => ({
    talk: (call) => {
      call.pause();
      calls.push(call);
    },
  });

export const pressureScenarios: readonly Scenario[] = [
  {
    name: "a server that does not read makes the client wait",
    run: (transport) => {
      const calls: ServerStream[] = [];
      return withEcho(slowServer(calls), async (echo) => {
        const call = echo.talk();
        let called = 0;
        for (let i = 0; i < 320; i++) call.write(KIB_64, () => (called += 1));
        await transport.wait(500);
        const waiting = called > 8 && called < 200;
        let got = 0;
        calls[0]?.on("data", () => (got += 1));
        calls[0]?.resume();
        await until(transport, () => got === 320 && called === 320);
        call.cancel();
        return { waiting, got, called };
      })(transport);
    },
    seen: { waiting: true, got: 320, called: 320 },
  },
  {
    name: "a client that does not read makes the server wait for drain",
    run: withEcho(
      (echo) => ({
        tell: (call) => {
          let left = 320;
          const pump = (): void => {
            while (left > 0) {
              left -= 1;
              if (!call.write(KIB_64)) break;
            }
            if (left === 0) echo().atServer.push("all written");
            if (left === 0) call.end();
          };
          call.on("drain", pump);
          pump();
        },
      }),
      async (echo, transport) => {
        const call = echo.tell("x");
        call.pause();
        await transport.wait(500);
        const before = [...echo.atServer];
        call.resume();
        await until(transport, () => echo.client.includes("end"));
        return { before, got: echo.client.length - 2, after: echo.atServer };
      },
    ),
    seen: { before: [], got: 320, after: ["all written"] },
  },
];
