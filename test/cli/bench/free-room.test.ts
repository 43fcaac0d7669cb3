import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRoom } from "../../../src/cli/bench/free-room.js";
import { refusal } from "../../support/refusals.js";

const asked = { bytes: 10_000_000_000, copies: 3, folder: "/data" };

test("what does not fit on the disk is refused before anything is written, with what it takes and what there is", async () => {
  checkRoom({ ...asked, freeBytes: 33_000_000_000 });
  const error = await refusal("DISK_FULL", async () => checkRoom({ ...asked, freeBytes: 32_999_999_999 }));
  assert.equal(
    error.message,
    "10,000 MB of records on 3 brokers take about 33,000 MB; the disk of /data has 32,999 MB free: give fewer --bytes, or --data on a larger disk",
  );
});
