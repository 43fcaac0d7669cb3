import { type GrpcStatusName, toQuireError } from "../base/errors.js";

/** What the shell learns. Scripts depend on these numbers. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  /** Wrong arguments or settings: the same command fails again. */
  usage: 2,
  /** The cluster cannot be reached or cannot do it now: the same command may succeed later. */
  unavailable: 3,
  notFound: 4,
  alreadyExists: 5,
  /** A bug: please report it. */
  bug: 70,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const EXIT_CODES_HELP = [
  "Exit codes: 0 done · 1 failed · 2 wrong arguments or settings · 3 not now: unreachable or",
  "unavailable, try again · 4 not found · 5 already exists · 70 a bug · 130 interrupted",
].join("\n");

const BY_STATUS: Partial<Record<GrpcStatusName, ExitCode>> = {
  INVALID_ARGUMENT: ExitCode.usage,
  OUT_OF_RANGE: ExitCode.usage,
  UNAVAILABLE: ExitCode.unavailable,
  DEADLINE_EXCEEDED: ExitCode.unavailable,
  RESOURCE_EXHAUSTED: ExitCode.unavailable,
  NOT_FOUND: ExitCode.notFound,
  ALREADY_EXISTS: ExitCode.alreadyExists,
  CANCELLED: ExitCode.interrupted,
  INTERNAL: ExitCode.bug,
};

export const exitCodeOf = (thrown: unknown): ExitCode => BY_STATUS[toQuireError(thrown).status] ?? ExitCode.failed;
