import { command } from "../command.js";
import { confirmName } from "../confirm.js";
import { ExitCode } from "../exit-codes.js";
import { print, printJson } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const topicDeleteCommand = command({
  usage: "delete <topic>",
  summary: "Delete a topic and its records",
  positionals: { topic: { type: "string", demandOption: true, describe: "Its name" } },
  options: { yes: { type: "boolean", alias: "y", default: false, describe: "Do not ask" }, ...jsonOption, ...sessionOptions },
  examples: [["$0 topic delete orders --yes", "without being asked"]],
  async run(args) {
    if (!args.yes && process.stdin.isTTY === true && !(await confirmName(`Delete ${args.topic} and all its records?`, args.topic))) {
      process.exitCode = ExitCode.interrupted;
      return;
    }
    await withQuire(args, (quire) => quire.topic(args.topic).delete());
    if (args.json) return printJson({ deleted: args.topic });
    print(`Topic ${args.topic} and its records are deleted.`);
  },
});
