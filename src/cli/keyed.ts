import { QuireError } from "../base/errors.js";

/** Where a line's key is: nowhere, before a separator, or in a field of the JSON object that the line is. */
export type KeyRule =
  | { readonly kind: "none" }
  | { readonly kind: "separator"; readonly separator: string }
  | { readonly kind: "field"; readonly field: string };

export interface Keyed {
  readonly key: Buffer | undefined;
  readonly value: Buffer;
}

/** @throws QuireError INVALID_FIELD when the rule does not fit the line. */
export function splitKey(line: Buffer, rule: KeyRule): Keyed {
  if (rule.kind === "none") return { key: undefined, value: line };
  if (rule.kind === "separator") {
    const at = line.indexOf(rule.separator);
    if (at === -1) throw new QuireError("INVALID_FIELD", `has no separator ${JSON.stringify(rule.separator)}`);
    return { key: line.subarray(0, at), value: line.subarray(at + Buffer.byteLength(rule.separator)) };
  }
  return { key: Buffer.from(fieldOf(line, rule.field)), value: line };
}

function fieldOf(line: Buffer, field: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.toString());
  } catch {
    throw new QuireError("INVALID_FIELD", "is not JSON, which --key-field needs");
  }
  const isObject = typeof parsed === "object" && parsed !== null && Object.hasOwn(parsed, field);
  const value = isObject ? (parsed as Record<string, unknown>)[field] : undefined;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new QuireError("INVALID_FIELD", `has no field ${JSON.stringify(field)} that is text or a number`);
}
