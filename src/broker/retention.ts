import type { SegmentInfo } from "../storage/log.js";

export interface Retention {
  /** Records older than this may go; 0 keeps them forever. */
  readonly retentionMs: number;
  /** Bytes that stay at least; 0 keeps all. */
  readonly retentionBytes: number;
}

/**
 * The last segment that has served its time, or undefined: everything through its end may go. Only whole segments, only from the
 * beginning: one that is not old enough keeps all after it.
 */
export function retiredThrough(
  segments: readonly SegmentInfo[],
  { retentionMs, retentionBytes }: Retention,
  now: { readonly wallMs: number; readonly logBytes: number },
): SegmentInfo | undefined {
  let bytesLeft = now.logBytes;
  let retired: SegmentInfo | undefined;
  for (const segment of segments) {
    bytesLeft -= segment.bytes;
    const isOld = retentionMs > 0 && segment.maxTimestampMs < now.wallMs - retentionMs;
    const isSurplus = retentionBytes > 0 && bytesLeft >= retentionBytes;
    if (!isOld && !isSurplus) break;
    retired = segment;
  }
  return retired;
}
