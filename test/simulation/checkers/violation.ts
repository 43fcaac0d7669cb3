/** What a checker says when the system lied, short enough to be printed whole. */

/** Lines of evidence that a report holds at the most, and characters of a line: the rest of a report's 60 lines is the runner's. */
const EVIDENCE_LINES = 40;
const LINE_CHARACTERS = 200;

export interface ViolationDetails {
  /** The claim that was broken. */
  readonly invariant: string;
  /** Which partition, replica set or value it concerns. */
  readonly subject: string;
  readonly expected: string;
  readonly seen: string;
  /** What was observed of the subject, oldest first; the newest are kept. */
  readonly evidence: readonly string[];
}

/** A broken invariant: what was expected, what was seen, and the last observations that matter. */
export class Violation extends Error {
  override name = "Violation";
  readonly invariant: string;
  readonly subject: string;
  readonly expected: string;
  readonly seen: string;
  readonly evidence: readonly string[];

  constructor({ invariant, subject, expected, seen, evidence }: ViolationDetails) {
    super([`${invariant}: ${subject}`, `expected: ${expected}`, `seen:     ${seen}`].map(clipped).join("\n"));
    this.invariant = invariant;
    this.subject = subject;
    this.expected = expected;
    this.seen = seen;
    this.evidence = evidence.slice(-EVIDENCE_LINES).map(clipped);
  }

  /** The message and the evidence, under 50 lines. */
  report(): string {
    return [this.message, ...(this.evidence.length > 0 ? ["observed:"] : []), ...this.evidence.map((line) => `  ${line}`)].join("\n");
  }
}

function clipped(text: string): string {
  const line = text.replaceAll("\n", " ");
  return line.length <= LINE_CHARACTERS ? line : `${line.slice(0, LINE_CHARACTERS - 1)}…`;
}

/** The last few things that were observed. Written often and read once, so an observation becomes text only when it is asked for. */
export class Recent<T> {
  readonly #items: T[] = [];
  readonly #most: number;
  #next = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(item: T): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#most;
  }

  /** Oldest first. */
  list(): T[] {
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)];
  }
}
