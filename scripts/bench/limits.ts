/** What keeps a row from its goal, by the row's name, as profiles showed it. Shown in the page while the goal is missed. */
export const limits: Readonly<Record<string, string>> = {
  "many-producers": `Both cores are full: three brokers take 45 % of a core each and the clients 48, that is 250 µs for a record (at 7,280/s), while gRPC alone needs 33 for the same exchange.
What costs is that nothing is shared: each record is a message, an answer, an entry, and a good part of two messages between brokers and of a sync. With the same 64 records under way, each a batch of
its own, but on the one connection of one client, 4.3 of them travel in a message and 18 share a sync: 14,200 to 15,600 records/s, p99 11 ms, 111 µs for a record. Where batches form by
themselves as well it is 50,000 (next row), which is what senders of one process should do. Measured besides: clients of one process that share connections, but not streams, a quarter more (they would
hold up each other); the journal's files with O_DSYNC in the place of write and fdatasync, a tenth more, p99 18.5 ms; 1 ms of waiting before each group of the journal, a tenth less processor time, no
more records. A broker's main thread (\`--profile\`, 7,100 records/s): 54 % idle or waiting for a core, 7 % native code, 6 % garbage collection, 5 % writing, 2 % handing over syncs, 1 %
checksums, and no function of ours above 1 %; of all threads (\`perf record\`, 4,100 records/s): 23 % receiving and what it leads to, 24 % JavaScript and Node otherwise, 20 % fdatasync,
15 % waking and changing threads, 5 % garbage collection, 4 % sending, 3 % writing.`,
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
