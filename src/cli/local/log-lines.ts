/** The lines of a broker's log that people should see, short; undefined for the others. */
export function attention(line: string): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    // Not the logger's: the words of a crash, or of Node itself.
    return line;
  }
  if (typeof parsed !== "object" || parsed === null) return line;
  const { level, msg, time: _time, ...fields } = parsed as Record<string, unknown>;
  if (level !== "warn" && level !== "error") return undefined;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [`${level}:`, String(msg), ...rest].join(" ");
}
