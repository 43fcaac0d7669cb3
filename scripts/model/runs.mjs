// What `npm run model` checks: each run, its bounds, and what must come out.

/**
 * @typedef {{ readonly voters: string, readonly w: number, readonly r: number }} QuorumSet One letter for each voter.
 * @typedef {object} Run
 * @property {string} name
 * @property {boolean} holds whether TLC must find no violation, or must find one
 * @property {"Quorum" | "PreVote"} module of test/model/
 * @property {string} replicas one letter for each
 * @property {Readonly<Record<string, QuorumSet>>} sets
 * @property {string} first the set in force at first
 * @property {readonly string[]} targets the sets that may follow
 * @property {number} terms elections
 * @property {number} entries in a log
 * @property {number} changes configuration entries in a log
 * @property {number} wipes
 * @property {number} damages
 * @property {number} torn
 * @property {boolean} earlyVotes whether votes are given one by one
 * @property {readonly string[]} dropped rules
 * @property {string} [shows] the invariant that must break; the only one that is checked then
 */

/** @type {Omit<Run, "name" | "replicas" | "sets" | "first">} */
const none = { holds: true, module: "Quorum", targets: [], terms: 3, entries: 2, changes: 0, wipes: 0, damages: 0, torn: 0, earlyVotes: false, dropped: [] };

/** @param {number} n */
const letters = (n) => "abcdefg".slice(0, n);

/** @param {string} voters @param {number} w @param {number} r @returns {QuorumSet} */
const set = (voters, w, r) => ({ voters, w, r });

/** Voters, W and R stay. @param {number} n @param {number} w @param {number} r @param {Partial<Run>} [more] @returns {Run} */
function fixed(n, w, r, more = {}) {
  const run = { ...none, replicas: letters(n), sets: { now: set(letters(n), w, r) }, first: "now", ...more };
  return { ...run, name: `N=${n} W=${w} R=${r}, ${more.name ?? bounds(run)}` };
}

/** @param {Pick<Run, "terms" | "entries">} run */
const bounds = ({ terms, entries }) => `${terms} terms, ${entries} entries`;

/** @param {string} rule @param {Partial<Run>} [more] */
const without = (rule, more = {}) => fixed(3, 2, 2, { name: `without ${rule}`, holds: false, shows: "LeaderCompleteness", dropped: [rule], ...more });

/** @param {QuorumSet} s */
const told = ({ voters, w, r }) => `${voters}(${w},${r})`;

/** The first set may change to any of the others. @param {readonly QuorumSet[]} all @param {Partial<Run>} [more] @returns {Run} */
function changing(all, more = {}) {
  const [first = set("abc", 2, 2), ...others] = all;
  const names = others.map((_, at) => `next${at + 1}`);
  const sets = Object.fromEntries([["now", first], ...names.map((name, at) => [name, others[at]])]);
  const replicas = more.replicas ?? [...new Set(all.flatMap(({ voters }) => [...voters]))].sort().join("");
  const run = { ...none, terms: 2, entries: 3, changes: 2, ...more, replicas, sets, first: "now", targets: names };
  return { ...run, name: `${told(first)} to ${others.map(told).join(", ")}, ${more.name ?? bounds(run)}` };
}

/** @param {number} n */
const pairs = (n) => Array.from({ length: n * n }, (_, at) => ({ w: 1 + Math.floor(at / n), r: 1 + (at % n) }));

/** Rule 1. @param {number} n @param {number} w @param {number} r */
const isValid = (n, w, r) => w + r > n && 2 * r > n;

/** @param {number} n @param {Partial<Run>} more */
const valid = (n, more) => pairs(n).flatMap(({ w, r }) => (isValid(n, w, r) ? [fixed(n, w, r, more)] : []));

/** @param {number} n @param {number} w @param {number} r @param {Partial<Run>} [more] */
const refused = (n, w, r, more = {}) =>
  fixed(n, w, r, { ...more, holds: false, name: "without rule 1", shows: 2 * r > n ? "LeaderCompleteness" : "OneLeaderPerTerm" });

/** @param {number} n @param {Partial<Run>} more */
const invalid = (n, more) => pairs(n).flatMap(({ w, r }) => (isValid(n, w, r) ? [] : [refused(n, w, r, more)]));

/** Rule 5. @param {number} n @param {number} w @param {number} r @param {Partial<Run>} [more] */
const preVote = (n, w, r, more = {}) => fixed(n, w, r, { ...more, module: "PreVote", name: more.name ?? "pre-votes" });

/** @param {string} rule @param {number} w @param {string} shows */
const withoutPreVote = (rule, w, shows) => preVote(3, w, 2, { name: `without ${rule}`, holds: false, dropped: [rule], shows });

const [abc, threes] = [
  "abc",
  pairs(3)
    .filter(({ w, r }) => isValid(3, w, r))
    .map(({ w, r }) => set("abc", w, r)),
];

const safety = [
  ...threes.map(({ w, r }) => preVote(3, w, r)),
  preVote(5, 3, 4),
  ...valid(2, {}),
  ...valid(3, {}),
  ...[1, 2, 3].map((w) => fixed(3, w, 3, { entries: 3 })),
  fixed(3, 2, 2, { entries: 3 }),
];

const rules = [
  ...invalid(2, {}),
  ...invalid(3, {}),
  refused(4, 3, 2),
  without("2 term and vote on disk before told", { shows: "OneLeaderPerTerm" }),
  without("2 entries on disk before acknowledged"),
  without("2 the leader counts what it synced"),
  without("3 commit by counting the own term only", { terms: 4 }),
  without("3 reads wait for a commit of the own term", { shows: "ReadsAreCurrent" }),
  without("4 votes for up-to-date logs only"),
  without("4 entries follow what agrees"),
  without("4 truncate at a conflict only"),
  without("4 acknowledgements of this term only"),
  withoutPreVote("5 pre-vote before a vote", 2, "Undisturbed"),
  withoutPreVote("5 who hears a leader grants no pre-vote", 2, "Undisturbed"),
  withoutPreVote("5 a pre-vote needs max(W, R)", 3, "ElectedCanCommit"),
  without("7 learners do not elect", { replicas: "abcd", shows: "OneLeaderPerTerm" }),
  without("7 learners do not commit", { replicas: "abcd" }),
  without("7 a wiped disk is a new replica", { wipes: 1, shows: "OneLeaderPerTerm" }),
  without("9 reads are confirmed by R", { shows: "ReadsAreCurrent" }),
  without("10 damage is not absence", { damages: 1 }),
  without("10 doubt ends where the leader's log does", { damages: 1 }),
  without("10 answers come from a newer term", { damages: 1 }),
];

const changes = [
  ...threes.flatMap((now) => threes.flatMap((next) => (next === now ? [] : [changing([now, next])]))),
  changing([set(abc, 2, 2), set("ab", 2, 2)]),
  changing([set(abc, 2, 2), set("abcd", 3, 3)], { entries: 2, earlyVotes: true, name: "votes one by one, 2 entries" }),
];

const steps = ["6 joint"];
const changesWithout = [
  changing([set(abc, 2, 2), set(abc, 1, 3)], { holds: false, name: "in one step", dropped: [...steps, "6 single steps overlap"] }),
  changing([set(abc, 3, 2), set(abc, 1, 3)], { holds: false, name: "in one step", dropped: [...steps, "6 single steps overlap"] }),
  changing([set(abc, 2, 2), set("ad", 2, 2)], { holds: false, name: "in one step", dropped: [...steps, "6 single steps overlap"] }),
  changing([set(abc, 2, 2), set(abc, 1, 3)], { holds: false, name: "joint left early", dropped: ["6 a joint configuration commits before it is left"] }),
  changing([set(abc, 2, 2), set(abc, 2, 3), set(abc, 1, 3)], { name: "raise, then lower", dropped: steps }),
  changing([set(abc, 2, 2), set(abc, 1, 3)], { name: "joint, but before a commit of the own term", dropped: ["6 a change follows a commit of the own term"] }),
  changing([set(abc, 2, 2), set(abc, 2, 3), set(abc, 1, 3)], { name: "joint, but several at a time", dropped: ["6 one change at a time"] }),
  changing([set(abc, 2, 2), set(abc, 2, 3), set(abc, 1, 3)], {
    holds: false,
    name: "raise and lower at once",
    dropped: [...steps, "6 one change at a time"],
  }),
  changing([set("abcd", 3, 3), set("abcde", 3, 3), set("bcd", 2, 2)], {
    holds: false,
    name: "single steps before a commit of the own term",
    terms: 3,
    entries: 2,
    changes: 1,
    dropped: [...steps, "6 a change follows a commit of the own term"],
  }),
];

const votes = [
  fixed(3, 2, 2, { terms: 2, earlyVotes: true, name: "votes one by one" }),
  fixed(3, 1, 3, { terms: 2, earlyVotes: true, name: "votes one by one" }),
];

const faults = [
  fixed(3, 2, 2, { name: "one wiped disk", wipes: 1 }),
  fixed(3, 2, 2, { name: "one damaged disk", damages: 1, terms: 2 }),
  changing([set(abc, 2, 2), set(abc, 1, 3)], { name: "joint only, one torn log", entries: 2, changes: 1, torn: 1 }),
  changing([set(abc, 1, 3), set(abc, 2, 2)], { name: "joint only, one torn log", entries: 2, changes: 1, torn: 1 }),
];

/** @type {readonly Run[]} */
export const defaultRuns = [...rules, ...changesWithout, ...safety, ...votes, ...faults, ...changes];

/** @type {readonly Run[]} */
export const largeRuns = [
  fixed(3, 3, 2, { entries: 3 }),
  ...threes.map((now) => changing([now, ...threes.filter((other) => other !== now)])),
  changing([set(abc, 2, 2), set("ad", 2, 2)]),
  changing([set(abc, 2, 2), set("abd", 2, 2)]),
  changing([set(abc, 2, 2), set("abcd", 3, 3)], { earlyVotes: true, name: "votes one by one" }),
  changing([set(abc, 2, 2), set("abd", 2, 2)], { name: "one wiped disk", wipes: 1 }),
  ...valid(4, { terms: 2 }),
  fixed(5, 3, 3, { terms: 2, earlyVotes: true, name: "votes one by one" }),
  fixed(3, 2, 2, { name: "one damaged disk, 3 terms", damages: 1 }),
  fixed(3, 2, 2, { name: "one torn log", torn: 1, terms: 2 }),
  changing([set(abc, 2, 2), set(abc, 1, 3)], { name: "one torn log, 2 entries", entries: 2, torn: 1 }),
  changing([set(abc, 1, 3), set(abc, 2, 2)], { name: "one torn log, 2 entries", entries: 2, torn: 1 }),
  changing([set(abc, 2, 2), set(abc, 3, 2)], { name: "one damaged disk, 2 entries", entries: 2, damages: 1 }),
  changing([set(abc, 2, 2), set(abc, 1, 3)], { name: "one torn log", torn: 1 }),
  fixed(3, 2, 2, { name: "two torn logs, one damaged disk", damages: 1, torn: 2, terms: 2 }),
];
