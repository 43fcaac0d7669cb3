/** What keeps a row from its goal, by the row's name, as profiles showed it. Shown in the page while the goal is missed. */
export const limits: Readonly<Record<string, string>> = {
  "many-producers": `Each record is a message of its own on a connection of its own, and its answer another: four sides of some 30 µs of processor time in grpc-js,
HTTP/2 and the sockets, whatever a broker does with it. Two cores have room for 16,600 such exchanges a second and nothing else, so 20,000 are out of reach here.
Small groups of all partitions share the journal's syncs now (4,570 records/s and p99 32 ms before). A broker's processor time before that, at 4,100 records/s
(\`perf record\`, all threads): 23 % receiving and what it leads to, 24 % JavaScript and Node otherwise, 20 % fdatasync, 15 % waking and changing threads, 5 % garbage
collection, 4 % sending, 3 % writing.`,
  "half-rate": `Half of a peak that is above the floor's takes 77 % of both cores, in five processes: batches are smaller than at full speed and cost more each (4.7 CPU s/GB in
a broker where the full rate costs 2.9), and whoever waits for a processor waits for the others' turns. Before batches of fast producers waited to be full, and the
benchmark's own producer cost half as much, p99 was 78 ms. Where a broker's time goes (\`perf record\`, 73,000 records/s): 20 % receiving and what it leads to, 18 %
JavaScript and Node otherwise, 13 % garbage collection, 11 % waking and changing threads, 10 % fdatasync, 10 % compiling, 6 % writing, 5 % sending, 3 % checksums.`,
  "consume-cold": `Both cores are used up: the three brokers, producer and consumer take what there is, and a consumer that reads as fast as it can takes it from
the produce path. Brokers do not hold back reads from disk while records wait to be written; a budget for them, as there is for replicas that catch up, would trade one
figure for the other.`,
  "failover-100": `The brokers that stay lead and follow 100 partitions, with the queue that gathered while there was no leader; the one that returns goes from 90 to 300 MB within four
seconds, in ArrayBuffers (the JavaScript heap stays at 20 to 40 MB): nothing bounds in sum what a follower has received and not yet written, and a read for a follower gives its
turn back when it is done, not when the follower has answered. Other limits of malloc's arenas changed nothing.`,
  "catch-up": `Both cores are used up while the returning broker takes what it missed: it reads, sends and writes three times the produce rate. The leaders' share
of that is bounded (\`replica/replication-budget.ts\`), by bytes under way and not by processor time.`,
  "partitions-10000": `A partition at rest takes 18 to 25 kB in each broker: log state, consensus state, producer and progress tables, maps of the host. With 30,000 replicas
that is two thirds of the memory; the rest is what an empty broker has (100 MiB). Brokers had 308 to 336 MiB before this benchmark asked, every ten seconds, who
leads each of the partitions: the answers are garbage that V8 collects late.`,
  restart: `The peak is not the restart's (that broker has far less afterwards) but that of the others while 10 GB are written to 1,000 partitions as fast as can be:
what each partition has under way comes on top of what is fixed (V8's heap, the tail kept in memory, 8 MiB for writes, buffers of connections).`,
  spread: `5,000 records/s on 1,000 partitions are 15,000 appends and 15,000 answers a second, each an entry of a log of its own: nothing gathers them but the journal's
groups and the messages between brokers. Brokers take 53 % of a core each, some 100 µs for an append, and the cores are full. A broker's time (\`perf record\`): 34 % receiving and
what it leads to, 33 % JavaScript and Node otherwise, 17 % garbage collection, 5 % fdatasync, 4 % changing threads, 2 % sending, 1 % writing. When each log had syncs of its own
p99 was 680 ms. Waiting 3 ms for more before a group of the journal begins was tried: a tenth less processor time, p99
within what runs differ by. Fewer heartbeats (two thirds of what brokers say to each other here) changed less.`,
  "end-to-end-1k-100-partitions": `What is in memory are ArrayBuffers: some 50 MB at the middle and 100 to 150 at the peak, beside a JavaScript heap of 20 to 40. They are what the partitions
have under way: a leader may have 8 MiB under way to each follower of each of its partitions, and nothing bounds in sum what a follower has received and not yet written.`,
};
