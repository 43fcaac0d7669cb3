import { createInterface } from "node:readline/promises";

/** Only people are asked: a script has said what it wants. */
export async function confirmName(question: string, name: string): Promise<boolean> {
  const dialogue = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await dialogue.question(`${question} Type its name: `)).trim() === name;
  } finally {
    dialogue.close();
  }
}
