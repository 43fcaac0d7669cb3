import { statfsSync } from "node:fs";
import { QuireError } from "../../base/errors.js";

/** Of a disk, for what is no record: headers of batches, journals, and what brokers keep free (`disk.reserveBytes`). */
const SPARE_BYTES = 1_500_000_000;
const SPARE_SHARE = 0.05;

export const inMegabytes = (bytes: number): string => `${Math.floor(bytes / 1e6).toLocaleString("en")} MB`;

/** Where a folder is. */
export function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** @throws QuireError DISK_FULL when the disk has no room for so many bytes of records, so many times */
export function checkRoom({ bytes, copies, freeBytes, folder }: { bytes: number; copies: number; freeBytes: number; folder: string }): void {
  const needed = bytes * copies * (1 + SPARE_SHARE) + SPARE_BYTES;
  if (needed <= freeBytes) return;
  throw new QuireError(
    "DISK_FULL",
    `${inMegabytes(bytes)} of records on ${copies} brokers take about ${inMegabytes(needed)}; the disk of ${folder} has ${inMegabytes(freeBytes)} free: give fewer --bytes, or --data on a larger disk`,
    { details: { needed: Math.ceil(needed), free: freeBytes } },
  );
}
