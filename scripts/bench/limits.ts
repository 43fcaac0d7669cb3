/** What keeps a row from its goal, by the row's name, as profiles showed it. Shown in the page while the goal is missed. */
export const limits: Readonly<Record<string, string>> = {
  "many-producers": `20,000 records/s are what the stack allows at best for clients that share nothing, and more than it did in these runs. The floor of this row has the same 64 clients, a connection and a message for each
record, and three processes that append, send on, sync and answer at two of three, and do nothing else: 17,100/s in these runs, 9,200 to 20,000 in others, as this machine was slower or faster. Without replication and
disk gRPC exchanges 54,000/s; clients that shared connections would raise the floor to 19,000 to 24,000; 64 senders of one client, whose records travel together, make 41,000 (next row).
Of the floor the brokers reach 0.45. Both cores are full: a record takes some 250 µs of processor time, 60 in each of three brokers and 65 in the clients, where the floor takes 26 and 30. Where
(\`perf record\` of all processes, 5,800 records/s): JavaScript and V8's builtins 26 % in the brokers and 12 % in the clients; sockets, waking and changing threads 12 and 5; garbage collection 7 and
1; fdatasync and the writes before it 8; V8, Node and nghttp2 in C++ 7 and 4; idle 3. Within a broker no function takes more than 3.4 % (writing a frame's header), and no
allocating one more than 5.6 % of the 12 kB of garbage that a record makes; what is not there in the floor (terms, offsets, producers' sequences, the journal and the segments, checks) is spread over
all of them. p99 goes with it: at 64 under way it is what the queues of a full machine make it, 16.9 ms at 9,335/s when the machine was faster.
Measured in pairs of runs, none beyond the noise of a tenth: journal files with O_DSYNC in the place of write and fdatasync (2 %), 1 ms of waiting before a group of the journal, handing over all logs in one turn of the
event loop, 8 or 16 MiB of new space, garbage collection on one thread, 2 or 4 threads for files, fewer objects in the client's send path.`,
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
