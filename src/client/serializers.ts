/** How values become bytes and come back. JSON unless the topic says otherwise. */
import { isUtf8 } from "node:buffer";
import { QuireError } from "../base/errors.js";

export interface Serializer<Value> {
  /**
   * A string is written as UTF-8; undefined writes a record without a value. Must throw for what it cannot write: nothing is sent then.
   */
  serialize(value: Value): Uint8Array | string | undefined;
  /** `bytes` is the caller's to keep. Undefined for a record without a value. */
  deserialize(bytes: Buffer | undefined): Value;
}

/**
 * The default. Bytes and strings pass as they are, `null` is a record without a value, all else is JSON. What was written as a string that
 * happens to be JSON comes back parsed: use `text` for topics of strings.
 */
export function json<Value>(): Serializer<Value> {
  return jsonSerializer as Serializer<Value>;
}

const jsonSerializer: Serializer<unknown> = {
  serialize(value) {
    if (value === null) return undefined;
    if (typeof value === "string" || value instanceof Uint8Array) return value;
    const written = JSON.stringify(value) as string | undefined;
    if (written === undefined)
      throw new QuireError(
        "INVALID_FIELD",
        `a value of type ${typeof value} cannot be written as JSON; send an object, string, number, boolean, null or bytes`,
      );
    return written;
  },
  deserialize(bytes) {
    if (bytes === undefined) return null;
    if (!isUtf8(bytes)) return bytes;
    const written = bytes.toString();
    try {
      return JSON.parse(written);
    } catch {
      return written;
    }
  },
};

/** Strings as UTF-8; a record without a value reads as "". */
export const text: Serializer<string> = {
  serialize: (value) => value,
  deserialize: (bytes) => bytes?.toString() ?? "",
};

/** Bytes as they are; a record without a value reads as no bytes. */
export const bytes: Serializer<Uint8Array> = {
  serialize: (value) => value,
  deserialize: (read) => read ?? Buffer.alloc(0),
};
