import { settingValue, show } from "../../config/resolve.js";
import { settingNames, variableOf } from "../../config/settings.js";
import { command } from "../command.js";
import { print, printJson, table } from "../output.js";
import { jsonOption } from "../session.js";
import { fileOption, resolveFrom, settingOptions } from "../setting-options.js";

export const configCommand = command({
  usage: "config",
  summary: "Show every setting of a broker, and where it came from",
  options: { config: fileOption, ...jsonOption, ...settingOptions },
  examples: [
    ["$0 config", "what `quire server` would use here"],
    ["$0 config --config quire.yaml --json", "check a file, for programs"],
    ["QUIRE_RACK=a $0 config --rack b", "flags win over the environment, the environment over the file"],
  ],
  async run(args) {
    const { config, origins } = await resolveFrom(args, process.env);
    if (args.json) {
      printJson(Object.fromEntries(settingNames.map((name) => [name, { value: settingValue(config, name), from: origins[name], variable: variableOf(name) }])));
    } else {
      print(
        table(
          ["SETTING", "VALUE", "FROM"],
          settingNames.map((name) => [name, show(config, name) || "-", origins[name]]),
        ),
      );
    }
  },
});
