/** The settings of a broker as options of a command. */
import type { Options } from "yargs";
import { resolve } from "../config/resolve.js";
import { flagOf, type Resolved, settingNames, settings } from "../config/settings.js";

export const settingOptions: Readonly<Record<string, Options>> = Object.fromEntries(
  settingNames.map((name) => {
    const { doc, takes, default: preset } = settings[name];
    const showAny = settings[name].show as (value: unknown) => string;
    const byDefault = showAny(preset);
    return [
      flagOf(name),
      { type: "string", requiresArg: true, group: "Settings:", describe: `${doc} ${takes}${byDefault === "" ? "" : `; default ${byDefault}`}` },
    ];
  }),
);

export const fileOption = { type: "string", alias: "c", requiresArg: true, describe: "A file of settings, YAML or JSON; also QUIRE_CONFIG" } as const;

/** @throws QuireError INVALID_SETTING */
export async function resolveFrom(args: Readonly<Record<string, unknown>>, environment: NodeJS.ProcessEnv): Promise<Resolved> {
  const name = typeof args["config"] === "string" ? args["config"] : environment["QUIRE_CONFIG"];
  const flags = Object.fromEntries(settingNames.map((setting) => [flagOf(setting), args[flagOf(setting)]]));
  if (name === undefined) return resolve({ environment, flags });
  // Only who has a file waits for a parser of YAML.
  const { readSettingsFile } = await import("../config/read-file.js");
  return resolve({ environment, flags, file: readSettingsFile(name) });
}
