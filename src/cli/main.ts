#!/usr/bin/env node
/** The command `quire`. */
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { checkEnvironment } from "../config/resolve.js";
import { refuseUsage, reportError, wordOf } from "./command.js";
import { configCommand } from "./commands/config.js";
import { EXIT_CODES_HELP } from "./exit-codes.js";
import { endQuietlyWithoutReader } from "./signals.js";

const commands = [configCommand];

endQuietlyWithoutReader();
try {
  checkEnvironment(process.env);
  await yargs(hideBin(process.argv))
    .scriptName("quire")
    .parserConfiguration({ "camel-case-expansion": false, "dot-notation": false, "boolean-negation": false })
    .usage("$0 COMMAND: a replicated, clustered message broker")
    .command(commands)
    .demandCommand(1, "Say which command")
    .strict()
    .fail(refuseUsage([], commands.map(wordOf)))
    .help()
    .alias("h", "help")
    .version()
    .wrap(Math.min(120, process.stdout.columns ?? 120))
    .epilogue(EXIT_CODES_HELP)
    .parseAsync();
} catch (thrown) {
  reportError(thrown, { json: false });
}
