// What `floor.mjs` and `exchange.mjs` have in common: a script that starts itself again in other roles and asks them for what they counted, and streams of bytes.
import { fork } from "node:child_process";

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

/** A role of `file` in a process of its own, with the same arguments; resolves with what it says first. `ask` tells it something and resolves with what it says next. */
export async function startRole(file, role, { options = {}, execArgv = [], env = {} } = {}) {
  const child = fork(file, process.argv.slice(2), { execArgv, env: { ...env, ...process.env, [ROLE]: JSON.stringify({ role, ...options }) } });
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
  return { child, said: await next(), ask };
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
