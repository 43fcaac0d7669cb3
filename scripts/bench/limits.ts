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
JavaScript and Node otherwise, 13 % garbage collection, 11 % waking and changing threads, 10 % fdatasync, 10 % compiling, 6 % writing, 5 % sending, 3 % checksums.
Late records come in bursts of 30 to 60 ms, some five a second, as many as the brokers look through their whole heaps (1.6 times a second each, as buffers count: 290 MB a second are
made for 80 MB of records); between them all are answered within 10 ms. Equal runs gave 32 to 84 ms, as the machine gave 3.8 to 5.4 CPU seconds for a gigabyte. Tried without gain:
a lower priority for V8's threads, a cache of 3 MB.`,
  "consume-cold": `Both cores are used up: the three brokers, producer and consumer take what there is, and a consumer that reads as fast as it can takes it from
the produce path. Brokers do not hold back reads from disk while records wait to be written; a budget for them, as there is for replicas that catch up, would trade one
figure for the other: it reads 50 MB/s more than it must.`,
  spread: `5,000 records/s on 1,000 partitions are 15,000 appends and 15,000 answers a second, each an entry of a log of its own: nothing gathers them but the journal's
groups and the messages between brokers. Brokers take 53 % of a core each, some 100 µs for an append, and the cores are full. A broker's time (\`perf record\`): 34 % receiving and
what it leads to, 33 % JavaScript and Node otherwise, 17 % garbage collection, 5 % fdatasync, 4 % changing threads, 2 % sending, 1 % writing. When each log had syncs of its own
p99 was 680 ms. Waiting 3 ms for more before a group of the journal begins was tried: a tenth less processor time, p99
within what runs differ by. Fewer heartbeats (two thirds of what brokers say to each other here) changed less. Half as many messages between brokers (2 to 4 ms between them
while they carry several) took 7 % less processor time and no part of p99; O_DSYNC in the place of write and fdatasync nothing. With the data in memory (tmpfs) p99 is the same:
it comes in bursts of 50 to 110 ms, about one a second, as many as the brokers look through their whole heaps (45 MB, every 4 s each), and there is no processor time left to catch up.
Other V8 settings (one helper thread, no concurrent marking, twice the heap) changed nothing beyond what equal runs differ by (59 to 155 ms).`,
};
