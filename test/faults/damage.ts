/** Damage to segments of a broker that does not run. */
import { closeSync, openSync, readdirSync, readSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { nodeFiles } from "../../src/storage/node-files.js";
import { SEGMENT_HEADER_BYTES } from "../../src/storage/segment.js";
import { walkHeaders } from "../../src/storage/segment-walk.js";
import type { SeededRandom } from "../consensus/seeded-random.js";

const FLIPS = 3;
/** Within a frame's header, so that no segment is cut exactly between two frames: such a cut cannot be told from a shorter log. */
const INTO_FRAME_BYTES = 50;
const SEGMENT = /^\d{20}\.log$/;

/** Segments of all partitions; those of the metadata, too. */
export function logFilesOf(dataFolder: string): string[] {
  const logs = join(dataFolder, "logs");
  return readdirSync(logs).flatMap((folder) =>
    readdirSync(join(logs, folder))
      .filter((name) => SEGMENT.test(name))
      .map((name) => join(logs, folder, name))
      .filter((file) => statSync(file).size > SEGMENT_HEADER_BYTES),
  );
}

export function flipBits(file: string, chance: SeededRandom): void {
  const { size } = statSync(file);
  const handle = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  for (let flip = 0; flip < FLIPS; flip++) {
    const at = chance.below(size);
    readSync(handle, byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ (1 << chance.below(8));
    writeSync(handle, byte, 0, 1, at);
  }
  closeSync(handle);
}

/** Cuts a segment off in the middle of one of its frames. */
export async function truncateSegment(file: string, chance: SeededRandom): Promise<void> {
  const positions: number[] = [];
  const opened = await nodeFiles.open(file, "read");
  await walkHeaders(opened, { position: SEGMENT_HEADER_BYTES, end: statSync(file).size }, (_, position) => positions.push(position) > 0);
  await opened.close();
  const at = chance.pick(positions);
  if (at !== undefined) truncateSync(file, at + INTO_FRAME_BYTES);
}
