import assert from "node:assert/strict";
import { QuireError, type Reason } from "../../src/base/errors.js";

/** The refusal that `run` throws or rejects with, which must be for this reason. */
export async function refusal(reason: Reason, run: () => unknown): Promise<QuireError> {
  try {
    await run();
  } catch (thrown) {
    assert.ok(thrown instanceof QuireError, `not a QuireError: ${String(thrown)}`);
    assert.equal(thrown.reason, reason, thrown.message);
    return thrown;
  }
  throw new assert.AssertionError({ message: `nothing was refused; expected ${reason}` });
}
