/** What keeps a row from its goal, by the row's name, as profiles showed it. Shown in the page while the goal is missed. */
export const limits: Readonly<Record<string, string>> = {
  "many-producers": `Each record is a message of its own on a connection of its own, and its answer another: four sides of some 30 µs of processor time in grpc-js,
HTTP/2 and the sockets, whatever a broker does with it. Two cores have room for 16,600 such exchanges a second and nothing else, so 20,000 are out of reach here. Whoever sends
much from one process shares a client (the next row): what is sent while a request is under way leaves together. Clients of one process that share connections gave a
quarter more, and one long request would hold up the others. Small groups of all partitions share the journal's syncs now (4,570 records/s and p99 32 ms before). A broker's processor time before that, at 4,100 records/s
(\`perf record\`, all threads): 23 % receiving and what it leads to, 24 % JavaScript and Node otherwise, 20 % fdatasync, 15 % waking and changing threads, 5 % garbage
collection, 4 % sending, 3 % writing.`,
  "half-rate": `Half of a peak that is above the floor's takes 70 to 80 % of both cores, in five processes, and whoever waits for a processor waits for the others' turns. Equal
runs gave 16 to 32 ms as the machine gave 3.8 to 5.3 CPU seconds for a gigabyte in a broker. What is left of late records are bursts of 20 to 40 ms when V8 looks through a
broker's heap, every 5 s each; it was 1.6 times a second, and p99 32 to 84 ms, while recent batches grew old in the heap (\`storage/tail-cache.ts\`), and 78 ms before batches of
fast producers waited to be full. Where a broker's time went before that (\`perf record\`, 73,000 records/s): 20 % receiving and what it leads to, 18 %
JavaScript and Node otherwise, 13 % garbage collection, 11 % waking and changing threads, 10 % fdatasync, 10 % compiling, 6 % writing, 5 % sending, 3 % checksums.
Tried without gain: a lower priority for V8's threads, a cache of 3 MB, collecting new objects whenever 24 MB of buffers were made.`,
  "consume-cold": `Both cores are used up: what is read is taken from the produce path. Reads from disk find the pace at which batches are not late (\`broker/read-pace.ts\`): as fast as
they could they read 247 MB/s and kept producers waiting for seconds, 19 times as long as before.`,
  "failover-100": `Memory, in the broker that was killed and came back, and catches up from two leaders at once. It was 312 to 369 MB while it also read all that its logs held since
their last snapshots, bodies and all, to apply it: 2 GB within three seconds.`,
  restart: `It was 1.96 to 5.45 s after SIGKILL while the other brokers sent logs from the beginning to one that went away twice within seconds, and took two thirds of the
processor from it.`,
  spread: `5,000 records/s on 1,000 partitions are 15,000 appends and 15,000 answers a second, each an entry of a log of its own: nothing gathers them but the journal's
groups and the messages between brokers. Brokers take half of a core each, some 100 µs for an append, and the cores are full, so that whatever comes besides makes a queue: while V8 looks
through a broker's whole heap (150 ms of processor time, every 15 s each), or while many logs are brought from the journal to their files at once, p99 is 100 ms, and
else 20 to 35. It was 150 ms while what each partition has under way grew old in the heap, and 680 ms when each log had syncs of its own. Tried with little gain: waiting 3 ms for more
before a group of the journal begins, 2 to 4 ms between messages to a peer, a quarter of the heartbeats, O_DSYNC in the place of write and fdatasync, larger heaps.`,
};
