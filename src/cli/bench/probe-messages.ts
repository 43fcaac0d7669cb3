/** What the conductor of a benchmark asks a process's probe, and what that says. One JSON object a line; answers come in order. */
export type ProbeRequest =
  /** Count from here. */
  | { readonly ask: "mark" }
  | { readonly ask: "figures" }
  | { readonly ask: "startProfile" }
  /** Writes what was recorded to this file, for the viewers of Chrome and of editors. */
  | { readonly ask: "saveProfile"; readonly file: string };

/** The first line says whose probe it is. */
export interface ProbeHello {
  readonly pid: number;
}

/** Since the mark, but for memory. */
export interface ProbeFigures {
  /** User and system, all threads. */
  readonly cpuSeconds: number;
  /** Calls of fsync and fdatasync on files. */
  readonly syncs: number;
  /** gRPC messages sent, and their bytes. */
  readonly messages: number;
  readonly messageBytes: number;
  /** How much later than asked for a timer ran. */
  readonly loopDelayMsP99: number;
  readonly loopDelayMsMax: number;
  /** Resident now, and the most there ever was. */
  readonly residentBytes: number;
  readonly peakBytes: number;
}
