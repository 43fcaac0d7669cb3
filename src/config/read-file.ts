import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { QuireError } from "../base/errors.js";

/**
 * Reads a file of settings, YAML or JSON (which YAML contains).
 *
 * @throws QuireError INVALID_SETTING when it cannot be read or parsed.
 */
export function readSettingsFile(name: string): { name: string; content: unknown } {
  try {
    return { name, content: parse(readFileSync(name, "utf8"), { prettyErrors: true }) };
  } catch (thrown) {
    const why = thrown instanceof Error ? (thrown.message.split("\n")[0] ?? "") : String(thrown);
    throw new QuireError("INVALID_SETTING", `cannot read settings from ${name}: ${why.replace(/:$/, "")}`, { cause: thrown });
  }
}
