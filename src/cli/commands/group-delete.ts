import { command } from "../command.js";
import { confirmName } from "../confirm.js";
import { ExitCode } from "../exit-codes.js";
import { print, printJson } from "../output.js";
import { jsonOption, sessionOptions, withQuire } from "../session.js";

export const groupDeleteCommand = command({
  usage: "delete <group>",
  summary: "Forget a consumer group that has no members, and its offsets",
  positionals: { group: { type: "string", demandOption: true, describe: "Its name" } },
  options: { yes: { type: "boolean", alias: "y", default: false, describe: "Do not ask" }, ...jsonOption, ...sessionOptions },
  examples: [["$0 group delete billing --yes", "without being asked"]],
  async run(args) {
    if (!args.yes && process.stdin.isTTY === true && !(await confirmName(`Delete group ${args.group} and its offsets?`, args.group))) {
      process.exitCode = ExitCode.interrupted;
      return;
    }
    await withQuire(args, (quire) => quire.groups().delete(args.group));
    if (args.json) return printJson({ deleted: args.group });
    print(`Group ${args.group} and its offsets are deleted.`);
  },
});
