/** How long acknowledgements paused at a kill. */

export interface Acknowledgement {
  readonly atMs: number;
  readonly partition: number;
}

/**
 * The longest time between two acknowledgements of one of `partitions` in a row, of which the second came after the kill; in
 * milliseconds. These are the partitions that the killed broker led, so others cannot hide the pause.
 * Undefined when nothing of them was acknowledged afterwards.
 */
export function pauseAfter(killedMs: number, partitions: ReadonlySet<number>, acknowledgements: readonly Acknowledgement[]): number | undefined {
  const last = new Map<number, number>();
  let longest: number | undefined;
  for (const { atMs, partition } of acknowledgements) {
    if (!partitions.has(partition)) continue;
    // Before the first acknowledgement there was nothing to pause.
    if (atMs > killedMs) longest = Math.max(longest ?? 0, atMs - (last.get(partition) ?? killedMs));
    last.set(partition, atMs);
  }
  return longest;
}
