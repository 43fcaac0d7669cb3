import { command } from "../command.js";
import { print, printJson, table } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const topicListCommand = command({
  usage: "list",
  summary: "List topics",
  options: { prefix: { type: "string", requiresArg: true, default: "", describe: "Only names that begin so" }, ...jsonOption, ...sessionOptions },
  examples: [["$0 topic list --prefix orders.", "some of them"]],
  async run(args) {
    const topics = await withQuire(args, (quire) => quire.topics({ prefix: args.prefix }));
    if (args.json) return printJson(topics);
    if (topics.length === 0) return print("No topics. Create one: quire topic create NAME");
    print(
      table(
        ["TOPIC", "PARTITIONS", "N", "W", "R", "FLUSH"],
        topics.map(({ name, partitions, replicas, writeQuorum, readQuorum, settings }) => [
          name,
          partitions,
          replicas,
          writeQuorum,
          readQuorum,
          settings.flush ?? "batch",
        ]),
      ),
    );
  },
});
