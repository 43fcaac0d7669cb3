import { QuireError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { formatBytes } from "../config/units.js";

const NEWLINE = 10;
const RETURN = 13;
/** More than any record may have, so that the broker's own limit is the one that is told. */
const LINE_BYTES_MAX = limits.requestBytes;

/**
 * The lines of a stream as bytes, untouched but for their ends (`\n` or `\r\n`); in groups, as they arrive. What follows the last
 * newline is a line unless it is empty.
 *
 * @throws QuireError RECORD_TOO_LARGE for a line that never ends.
 */
export async function* lines(input: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let count = 0;
  for await (const chunk of input) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    const group: Buffer[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      group.push(withoutReturn(rest.length === 0 ? bytes.subarray(start, end) : Buffer.concat([...rest, bytes.subarray(start, end)])));
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    count += group.length;
    if (start < bytes.length) {
      rest.push(bytes.subarray(start));
      restBytes += bytes.length - start;
    }
    if (restBytes > LINE_BYTES_MAX) {
      throw new QuireError("RECORD_TOO_LARGE", `line ${count + 1} is longer than ${formatBytes(LINE_BYTES_MAX)}; is this text, a record a line?`);
    }
    if (group.length > 0) yield group;
  }
  if (restBytes > 0) yield [withoutReturn(Buffer.concat(rest))];
}

const withoutReturn = (line: Buffer): Buffer => (line.at(-1) === RETURN ? line.subarray(0, -1) : line);
