import type { Frame } from "../broker/types.js";
import type { RecordBatch } from "../wire/messages.js";

/** A stored batch as it is sent: the header, its place, and the same bytes. */
export const batchMessage = ({ batch, baseOffset, term, body }: Frame): RecordBatch => ({ ...batch, baseOffset, term, body });
