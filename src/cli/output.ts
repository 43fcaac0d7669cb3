/** What commands print: tables for people, JSON for programs. */
import Table from "cli-table3";

/** Columns without lines between them, the way `docker ps` and `kubectl get` look. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const none = { top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" };
  const lines = { left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " };
  const made = new Table({ head: [...head], chars: { ...none, ...lines }, style: { "padding-left": 0, "padding-right": 0, head: [], border: [] } });
  for (const row of rows) made.push(row.map(String));
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

export const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

/** What people read while something is under way goes to standard error, so that output can be piped. */
export const tell = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

export const plural = (count: number, one: string, many = `${one}s`): string => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
