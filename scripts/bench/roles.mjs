// What `floor.mjs` and `floor-many.mjs` have in common: a script that starts itself again in other roles and asks them
// for what they counted, before and after a stretch of time; and streams of bytes.
import { fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const ROLE = "QUIRE_BENCH_ROLE";

const asTheyAre = (bytes) => bytes;

/** A method of gRPC with a stream of bytes each way. */
export const byteStream = (path) => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: asTheyAre,
  requestDeserialize: asTheyAre,
  responseSerialize: asTheyAre,
  responseDeserialize: asTheyAre,
});

/** Node's options and threads, as the broker and its clients have them. */
const EXEC_ARGUMENTS = ["--initial-old-space-size=96"];
const ENVIRONMENT = { UV_THREADPOOL_SIZE: "8" };

/**
 * Lets `use` begin roles of `file`, each in a process of its own with the same arguments, and ends them with it. `begin` resolves with what the role
 * says first (`said`), and with `ask`, which tells it something and resolves with what it says next.
 */
export async function withRoles(file, use) {
  const processes = [];
  const begin = async (role, options = {}) => {
    const env = { ...ENVIRONMENT, ...process.env, [ROLE]: JSON.stringify({ role, ...options }) };
    const child = fork(file, process.argv.slice(2), { execArgv: EXEC_ARGUMENTS, env });
    processes.push(child);
    const next = () =>
      new Promise((resolve, reject) => {
        child.once("message", resolve);
        child.once("exit", (code) => reject(new Error(`the ${role} ended with ${code}`)));
      });
    const ask = (question = {}) => {
      const answer = next();
      child.send(question);
      return answer;
    };
    return { said: await next(), ask };
  };
  try {
    return await use(begin);
  } finally {
    for (const child of processes) child.kill("SIGKILL");
  }
}

/** What `ask` tells after the time to run in, and once more after the time that is measured, both in seconds. */
export async function stretch({ "warm-up": warmUp, duration }, ask) {
  await sleep(Number(warmUp) * 1e3);
  const before = await ask();
  await sleep(Number(duration) * 1e3);
  return [before, await ask()];
}

/** Plays the role that this process was started for, or conducts. */
export async function play(roles, conduct) {
  const given = process.env[ROLE];
  if (given === undefined) return await conduct();
  const { role, ...options } = JSON.parse(given);
  process.on("disconnect", () => process.exit(0));
  return roles[role](options);
}

/** Per second, from one answer to the next. */
export const rate = (from, to) => Math.round(((to.records - from.records) / (to.atMs - from.atMs)) * 1e3);

export const megabytesPerSecond = (recordsPerSecond, recordBytes) => Number(((recordsPerSecond * recordBytes) / 1e6).toFixed(2));

/** Percentiles of a histogram in microseconds, in milliseconds. */
export function latencyMs(histogramUs) {
  const [p50, p99, p999] = [50, 99, 99.9].map((percent) => histogramUs.percentile(percent) / 1e3);
  return { p50, p99, p999, max: histogramUs.max / 1e3 };
}
