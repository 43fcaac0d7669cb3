import type { QuireError } from "../../../src/base/errors.js";
import { Echo, until } from "./echo.js";
import { answering, echoing, type Scenario, seenBoth, withEcho } from "./scenario.js";

export const connectionScenarios: readonly Scenario[] = [
  {
    name: "nobody listens",
    run: withEcho(answering, async (_echo, transport) => {
      const nobody = new Echo(_echo.server, transport.dial(await transport.nobody(), { "grpc.enable_retries": 0 }), 0);
      const ready = await nobody.channel.ready(transport.wallMs() + 2_000).then(
        () => "ready",
        (error: QuireError) => error.reason,
      );
      const answers = [await nobody.ask("hello"), await nobody.ask("again")];
      nobody.talk();
      await until(transport, () => nobody.client.includes("end"));
      nobody.channel.close();
      return [ready, answers, nobody.client];
    }),
    seen: [
      "BROKER_UNREACHABLE",
      ["14 BROKER_UNREACHABLE No connection established", "14 BROKER_UNREACHABLE No connection established"],
      ["error 14 BROKER_UNREACHABLE No connection established", "status 14", "end"],
    ],
  },
  {
    name: "ready, and closed",
    run: withEcho(answering, async (echo, transport) => {
      await echo.channel.ready(transport.wallMs() + 2_000);
      const answer = await echo.ask("hello");
      echo.channel.close();
      const closed = await echo.channel.ready(transport.wallMs() + 2_000).catch((error: QuireError) => error.reason);
      return [answer, closed];
    }),
    seen: ["answer hello", "CANCELLED"],
  },
  {
    name: "a connection breaks in the middle of calls, and the next call gets a new one",
    run: withEcho(
      (echo) => ({ ...echoing(echo), ask: (call, answer) => (call.request === "hello" ? answer(null, "hello") : undefined) }),
      async (echo, transport) => {
        const call = echo.talk();
        call.write("a");
        await until(transport, () => echo.client.includes("data a"));
        const asked = echo.ask("no answer");
        await transport.wait(50);
        transport.breakConnections();
        const lost = await asked;
        await until(transport, () => echo.client.includes("end") && echo.atServer.includes("cancelled") && echo.atServer.includes("close"));
        return { lost, again: await echo.ask("hello"), ...seenBoth(echo) };
      },
    ),
    seen: {
      lost: "14 BROKER_UNREACHABLE read ECONNRESET",
      again: "answer hello",
      client: ["data a", "error 14 BROKER_UNREACHABLE read ECONNRESET", "status 14", "end"],
      atServer: ["data a", "end", "cancelled", "close"],
    },
  },
  {
    name: "silence: a call waits until its deadline, and messages arrive when it ends",
    run: withEcho(
      (echo) => ({ ...echoing(echo), ...answering() }),
      async (echo, transport) => {
        const call = echo.talk();
        call.write("a");
        await until(transport, () => echo.client.includes("data a"));
        transport.freeze();
        call.write("b");
        const answer = await echo.ask("hello", { deadline: transport.wallMs() + 300 });
        const before = [...echo.client];
        transport.thaw();
        await until(transport, () => echo.client.includes("data b"));
        call.cancel();
        return { answer, before, after: echo.client.slice(0, 2) };
      },
    ),
    seen: { answer: "4 DEADLINE Deadline exceeded", before: ["data a"], after: ["data a", "data b"] },
  },
];

export const shutdownScenarios: readonly Scenario[] = [
  {
    name: "a polite shutdown lets calls end and takes no new ones",
    run: withEcho(
      (echo) => ({
        ask: (call, answer) => {
          echo().atServer.push(call.request);
          echo().finish = () => answer(null, "done");
        },
      }),
      async (echo, transport) => {
        const asked = echo.ask("slow");
        await until(transport, () => echo.atServer.length > 0);
        let isDown = false;
        echo.server.tryShutdown(() => {
          isDown = true;
        });
        await transport.wait(100);
        const refused = (await echo.ask("late")).replace(/^(14 BROKER_UNREACHABLE).*/, "$1");
        const before = isDown;
        echo.finish();
        const answer = await asked;
        await until(transport, () => isDown);
        return { refused, before, answer, isDown, atServer: echo.atServer };
      },
    ),
    seen: { refused: "14 BROKER_UNREACHABLE", before: false, answer: "answer done", isDown: true, atServer: ["slow"] },
  },
  {
    name: "a polite shutdown closes idle connections at once",
    run: withEcho(answering, async (echo, transport) => {
      const answer = await echo.ask("hello");
      let isDown = false;
      echo.server.tryShutdown(() => {
        isDown = true;
      });
      await until(transport, () => isDown);
      return { answer, isDown, refused: (await echo.ask("late")).slice(0, 2) };
    }),
    seen: { answer: "answer hello", isDown: true, refused: "14" },
  },
  {
    name: "a forced shutdown cancels all",
    run: withEcho(
      (echo) => ({ ...echoing(echo), ask: (call) => echo().watchServer(call) }),
      async (echo, transport) => {
        const call = echo.talk();
        call.write("a");
        await until(transport, () => echo.client.includes("data a"));
        const asked = echo.ask("no answer");
        await transport.wait(50);
        echo.server.forceShutdown();
        const answer = await asked;
        await until(transport, () => echo.client.includes("end") && echo.atServer.length >= 3);
        await transport.wait(300);
        return { answer, client: echo.client, atServer: echo.atServer };
      },
    ),
    seen: {
      answer: "1 BROKER_UNREACHABLE Call cancelled",
      client: ["data a", "error 1 BROKER_UNREACHABLE Call cancelled", "status 1", "end"],
      atServer: ["data a", "cancelled", "cancelled", "close"],
    },
  },
];
