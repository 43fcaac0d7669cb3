import { crc32 } from "node:zlib";

/**
 * Small files that people may read and machines must trust: the CRC-32 of the rest in eight hex digits, a space, JSON, a
 * line's end.
 */
export function encodeCheckedJson(value: unknown): Buffer {
  const text = `${JSON.stringify(value)}\n`;
  return Buffer.from(`${crc32(text).toString(16).padStart(8, "0")} ${text}`);
}

/** The value, or undefined when the checksum or the form is wrong. */
export function decodeCheckedJson(bytes: Buffer): unknown {
  const text = bytes.subarray(9);
  if (bytes.length < 10 || bytes.toString("latin1", 0, 9) !== `${crc32(text).toString(16).padStart(8, "0")} `) return undefined;
  try {
    return JSON.parse(text.toString());
  } catch {
    return undefined;
  }
}
