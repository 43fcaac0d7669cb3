export interface RunOptions {
  /** For images of disks and logs of brokers. */
  readonly folder: string;
  readonly brokers: number;
  readonly seed: number;
  /** Faults at random for so long; undefined: each once. */
  readonly minutes: number | undefined;
  /** Faults with this in their names. */
  readonly only: string;
  readonly stopAtFailure: boolean;
  /** Stated times are multiplied by this. */
  readonly patience: number;
}
