/**
 * Ends parts one after the other. One that does not end cleanly does not keep the rest from ending: above all, the data folder is
 * given back. @throws the first problem, once all have been tried
 */
export async function endAll(steps: Iterable<() => unknown>): Promise<void> {
  const problems: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (problem) {
      problems.push(problem);
    }
  }
  if (problems.length > 0) throw problems[0];
}
