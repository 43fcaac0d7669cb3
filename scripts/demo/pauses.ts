/** How long acknowledgements paused at a kill. */

export interface Acknowledgement {
  readonly atMs: number;
  readonly partition: number;
}

export interface PauseQuestion {
  readonly killedMs: number;
  /** When everything sent since the kill, and before the next pause of sending, was acknowledged. */
  readonly untilMs: number;
  /** Those that the killed broker led: others cannot hide the pause. */
  readonly partitions: ReadonlySet<number>;
}

/**
 * The longest time between two acknowledgements in a row of one of the partitions, of which the second came after the kill;
 * in milliseconds. Undefined when nothing of them was acknowledged afterwards.
 */
export function pauseAfter({ killedMs, untilMs, partitions }: PauseQuestion, acknowledgements: readonly Acknowledgement[]): number | undefined {
  const last = new Map<number, number>();
  let longest: number | undefined;
  for (const { atMs, partition } of acknowledgements) {
    if (!partitions.has(partition) || atMs > untilMs) continue;
    // Before the first acknowledgement there was nothing to pause.
    if (atMs > killedMs) longest = Math.max(longest ?? 0, atMs - (last.get(partition) ?? killedMs));
    last.set(partition, atMs);
  }
  return longest;
}
