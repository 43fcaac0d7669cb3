/** What keeps a row from its goal, by the row's name, as profiles showed it. Shown in the page while the goal is missed. */
export const limits: Readonly<Record<string, string>> = {
  "many-producers": `Each record is a message of its own on a connection of its own, and its answer another: four sides of some 30 µs of processor time in grpc-js,
HTTP/2 and the sockets, whatever a broker does with it. Two cores have room for 16,600 such exchanges a second and nothing else, so 20,000 are out of reach here.
What keeps it below that: a group commit holds four records, and costs each broker some 450 µs. A broker's processor time at 4,100 records/s (\`perf record\`, all
threads): 23 % receiving and what it leads to, 24 % JavaScript and Node otherwise, 20 % fdatasync, 15 % waking and changing threads, 5 % garbage collection,
4 % sending, 3 % writing. Next: write and sync in one call (O_DSYNC, a quarter less for a group of one file), one log for all partitions of a broker.`,
  "half-rate": `Half of a peak that is above the floor's still takes 85 % of both cores, in five processes: fewer records wait, so batches are smaller and cost
more each (5.6 CPU s/GB in a broker where the full rate costs 3.1), and whoever waits for a processor waits for the others' turns. Where a broker's time goes
(\`perf record\`, 73,000 records/s): 20 % receiving and what it leads to, 18 % JavaScript and Node otherwise, 13 % garbage collection, 11 % waking and changing threads,
10 % fdatasync, 10 % compiling, 6 % writing, 5 % sending, 3 % checksums. A linger of 5 ms in the client changes it little (p99 60 ms).`,
  "consume-cold": `Both cores are used up: the three brokers, producer and consumer take what there is, and a consumer that reads as fast as it can takes it from
the produce path. Brokers do not hold back reads from disk while records wait to be written; a budget for them, as there is for replicas that catch up, would trade one
figure for the other.`,
  "failover-100": `The brokers that stay lead and follow 100 partitions at 2,400 syncs/s each, with the queue that gathered while there was no leader: what each partition
has under way, and the tail kept in memory, add to what is fixed (V8's heap, 8 MiB for writes, buffers of connections).`,
  "catch-up": `Both cores are used up while the returning broker takes what it missed: it reads, sends and writes three times the produce rate. The leaders' share
of that is bounded (\`replica/catch-up-reads.ts\`), by bytes under way and not by processor time.`,
  "partitions-10000": `A partition at rest takes 18 to 25 kB in each broker: log state, consensus state, producer and progress tables, maps of the host. With 30,000 replicas
that is two thirds of the memory; the rest is what an empty broker has (100 MiB). Brokers had 308 to 336 MiB before this benchmark asked, every ten seconds, who
leads each of the partitions: the answers are garbage that V8 collects late.`,
  restart: `The peak is not the restart's (that broker has 174 MiB afterwards) but that of the others while 10 GB are written to 1,000 partitions as fast as can be:
what each partition has under way comes on top of what is fixed (V8's heap, the tail kept in memory, 8 MiB for writes, buffers of connections).`,
  spread: `Every partition has a log, and so a sync, of its own: 5,000 records/s on 1,000 partitions are 15,000 appends a second to 3,000 files, which nothing gathers,
since each partition has five records a second. Two cores do some 2,800 group commits a second and broker; the rest waits until 1.8 records share one, and that is the
latency. A broker's time (\`perf record\`): 33 % fdatasync (journal and flush), 21 % JavaScript and Node, 18 % receiving and what it leads to, 11 % waking and changing threads,
9 % garbage collection, 3 % writing. One log for all partitions of a broker would need a few hundred syncs a second.`,
};
