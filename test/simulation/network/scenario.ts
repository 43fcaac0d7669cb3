/** What scenarios share: one echo service, and what happened on both sides of it. */
import { QuireError } from "../../../src/base/errors.js";
import { Echo, type EchoHandlers } from "./echo.js";
import type { Transport } from "./transports.js";

export interface Scenario {
  readonly name: string;
  readonly run: (transport: Transport) => Promise<unknown>;
  readonly seen: unknown;
}

/** With a server of these handlers, and taken down again. */
export const withEcho =
  (handlers: (echo: () => Echo) => EchoHandlers, run: (echo: Echo, transport: Transport) => Promise<unknown>) =>
  async (transport: Transport): Promise<unknown> => {
    let started: Echo | undefined;
    const echo = await Echo.start(
      transport,
      handlers(() => started as Echo),
    );
    started = echo;
    try {
      return await run(echo, transport);
    } finally {
      echo.stop();
    }
  };

export const answering = (): EchoHandlers => ({ ask: (call, answer) => answer(null, call.request) });
export const refusal = new QuireError("NOT_LEADER", "ask node 2", { details: { leaderNodeId: 2 } });

export const ALL = ["data", "end", "error", "cancelled", "close"];

/** Echoes all messages, and ends when the client does. */
export const echoing = (echo: () => Echo): EchoHandlers => ({
  talk: (call) => {
    echo().watchServer(call, ALL);
    call.on("data", (text: string) => call.write(text));
    call.on("end", () => call.end());
  },
});

export const seenBoth = ({ client, atServer }: Echo): { client: readonly string[]; atServer: readonly string[] } => ({ client, atServer });
