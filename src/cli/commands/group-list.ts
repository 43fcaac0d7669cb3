import { command } from "../command.js";
import { print, printJson, table } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const groupListCommand = command({
  usage: "list",
  summary: "List consumer groups",
  options: { prefix: { type: "string", requiresArg: true, default: "", describe: "Only names that begin so" }, ...jsonOption, ...sessionOptions },
  examples: [["$0 group list --prefix billing.", "some of them"]],
  async run(args) {
    const groups = await withQuire(args, (quire) => quire.groups().list({ prefix: args.prefix }));
    if (args.json) return printJson(groups);
    if (groups.length === 0) return print("No consumer groups. Begin one: quire consume TOPIC --group NAME");
    print(
      table(
        ["GROUP", "STATE", "MEMBERS", "STRATEGY", "COORDINATOR", "TOPICS"],
        groups.map(({ name, state, members, strategy, coordinator, topics }) => [
          name,
          state,
          members,
          strategy ?? "-",
          coordinator ?? "none",
          topics.join(","),
        ]),
      ),
    );
  },
});
