/** `quire consume --group`: a member of the group that writes lines. */
import { QuireError } from "../base/errors.js";
import type { Consumer, ReceivedRecord } from "../client/index.js";
import { ExitCode } from "./exit-codes.js";
import type { From } from "./position.js";
import { withQuire } from "./session.js";

interface GroupArgs {
  readonly topic: string;
  readonly brokers: string | undefined;
  readonly timeout: string;
  readonly from: From;
  readonly countMax: number;
  readonly partition: readonly number[] | undefined;
  readonly "to-end": boolean;
  readonly signal: AbortSignal;
  readonly write: (record: ReceivedRecord<unknown>) => Promise<void>;
}

/** Until so many are written, or it is interrupted; both are how it ends well. @throws QuireError INVALID_FIELD, and what ends a consumer */
export async function consumeInGroup(group: string, args: GroupArgs): Promise<void> {
  const { topic, from, countMax, signal, write } = args;
  if (from !== "earliest" && from !== "latest")
    throw new QuireError("INVALID_FIELD", "with --group, --from is earliest or latest; to move a group use quire group reset");
  if (args.partition !== undefined) throw new QuireError("INVALID_FIELD", "with --group the group decides about partitions; leave --partition out");
  if (args["to-end"]) throw new QuireError("INVALID_FIELD", "a group has no end; use --count, or leave --group out");
  await withQuire(args, async (quire) => {
    let count = 0;
    let consumer: Consumer | undefined;
    const handler = async (record: ReceivedRecord<unknown>): Promise<void> => {
      await write(record);
      count += 1;
      // It begins no other record, and commits this one once we have returned.
      if (count >= countMax) void consumer?.close();
    };
    try {
      consumer = await quire.topic(topic).consume(group, handler, { from, signal, concurrency: 1, clientId: `quire consume (${process.pid})` });
      if (count >= countMax) void consumer.close();
      await consumer.done;
    } catch (thrown) {
      if (!signal.aborted) throw thrown;
    }
    if (signal.aborted) process.exitCode = countMax === Number.POSITIVE_INFINITY ? ExitCode.ok : ExitCode.interrupted;
  });
}
