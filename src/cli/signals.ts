import { ExitCode } from "./exit-codes.js";

/**
 * Aborts at the first Ctrl-C (or SIGTERM), so that the command can end politely; the second ends the process at once.
 * What the command was asked to do is then not done, which the exit code says unless the command sets another.
 */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(ExitCode.interrupted);
    process.exitCode ??= ExitCode.interrupted;
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return controller.signal;
}

/** A reader that went away (`quire consume … | head`) is no error: end without a word. */
export function endQuietlyWithoutReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      process.exit(error.code === "EPIPE" ? ExitCode.ok : ExitCode.failed);
    });
  }
}
