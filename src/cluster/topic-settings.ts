import { QuireError } from "../base/errors.js";
import { describeBounds, isWithin } from "../base/number-bounds.js";
import { topicBounds } from "../base/topic-bounds.js";
import type { TopicSettings } from "./view.js";

/** @throws QuireError INVALID_SETTING for a value out of bounds, and for a name that is none */
export function checkTopicSettings(settings: Partial<TopicSettings>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    if (name === "flush") {
      if (value !== "batch" && value !== "interval") throw invalid(name, `is ${JSON.stringify(value)}; it is "batch" or "interval"`);
    } else if (Object.hasOwn(topicBounds, name)) {
      const bounds = topicBounds[name as keyof typeof topicBounds];
      if (typeof value !== "number" || !isWithin(value, bounds)) throw invalid(name, `is ${String(value)}; it is a whole number, ${describeBounds(bounds)}`);
    } else {
      throw invalid(name, "is no setting of a topic");
    }
  }
}

const invalid = (name: string, why: string): QuireError =>
  new QuireError("INVALID_SETTING", `settings.${name} ${why}`, { details: { setting: name }, fields: [{ field: `settings.${name}`, description: why }] });
