#!/usr/bin/env node
/** The command `quire`. */
import { readFileSync } from "node:fs";
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { checkEnvironment } from "../config/resolve.js";
import { commandGroup, refuseUsage, reportError, wordOf } from "./command.js";
import { benchCommand } from "./commands/bench.js";
import { clusterStatusCommand } from "./commands/cluster-status.js";
import { configCommand } from "./commands/config.js";
import { consumeCommand } from "./commands/consume.js";
import { devCommand } from "./commands/dev.js";
import { groupDeleteCommand } from "./commands/group-delete.js";
import { groupDescribeCommand } from "./commands/group-describe.js";
import { groupListCommand } from "./commands/group-list.js";
import { groupResetCommand } from "./commands/group-reset.js";
import { produceCommand } from "./commands/produce.js";
import { serverCommand } from "./commands/server.js";
import { topicCreateCommand } from "./commands/topic-create.js";
import { topicDeleteCommand } from "./commands/topic-delete.js";
import { topicDescribeCommand } from "./commands/topic-describe.js";
import { topicExplainCommand } from "./commands/topic-explain.js";
import { topicListCommand } from "./commands/topic-list.js";
import { EXIT_CODES_HELP } from "./exit-codes.js";
import { endQuietlyWithoutReader } from "./signals.js";

const topicCommands = [topicCreateCommand, topicListCommand, topicDescribeCommand, topicExplainCommand, topicDeleteCommand];
const groupCommands = [groupListCommand, groupDescribeCommand, groupResetCommand, groupDeleteCommand];
const commands = [
  devCommand,
  serverCommand,
  commandGroup("topic", "Create, list, describe, explain and delete topics", topicCommands),
  produceCommand,
  consumeCommand,
  commandGroup("group", "List, describe, reset and delete consumer groups", groupCommands),
  commandGroup("cluster", "Look at the cluster", [clusterStatusCommand]),
  configCommand,
  benchCommand,
];

// This package's own: yargs would take that of whatever project it is run in.
const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string };

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
    .fail(refuseUsage({ usage: "COMMAND", commands: commands.map(wordOf) }))
    .help()
    .alias("h", "help")
    .version(version)
    .wrap(Math.min(120, process.stdout.columns ?? 120))
    .epilogue(EXIT_CODES_HELP)
    .parseAsync();
} catch (thrown) {
  reportError(thrown, { json: false });
}
