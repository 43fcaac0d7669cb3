/** What is done to the network and to processes, and what the others see of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EchoHandlers, type ServerStream, until } from "./echo.js";
import { Lab } from "./lab.js";

const echoing: EchoHandlers = {
  ask: (call, answer) => answer(null, call.request),
  talk: (call) => {
    call.on("data", (text: string) => call.write(text));
    call.on("end", () => call.end());
  },
};

const silent: EchoHandlers = { ask: () => undefined, talk: (call) => call.resume() };

function watchEnd(call: ServerStream, ended: () => void): void {
  call.resume();
  call.on("cancelled", ended);
}

test("a server that is killed resets its connections, and is refused at once from then on", async () => {
  const lab = new Lab();
  const echo = await lab.echo(silent);
  const asked = echo.ask("hello");
  await lab.pass(10);
  const killedMs = lab.world.nowMs;
  lab.server.process.die("kill");
  assert.equal(await lab.until(asked), "14 BROKER_UNREACHABLE read ECONNRESET");
  assert.ok(lab.world.nowMs - killedMs <= 50, "soon");
  assert.equal(await lab.until(echo.ask("again")), "14 BROKER_UNREACHABLE No connection established");
});

test("a client that is killed cancels its calls on the server", async () => {
  const lab = new Lab();
  const seen: string[] = [];
  const echo = await lab.echo({ talk: (call) => watchEnd(call, () => seen.push("cancelled")) });
  echo.talk();
  await lab.pass(10);
  lab.client.process.die("kill");
  await lab.pass(50);
  assert.deepEqual(seen, ["cancelled"]);
  assert.deepEqual(echo.client, [], "the dead see nothing");
});

test("a machine without power says nothing, and when it is back it does not know the connection", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  const call = echo.talk();
  call.write("a");
  await lab.pass(50);
  lab.server.machine.losePower();
  call.write("b");
  assert.equal(await lab.until(echo.ask("hello", { deadline: lab.transport.wallMs() + 500 })), "4 DEADLINE Deadline exceeded");
  await lab.pass(10_000);
  assert.deepEqual(echo.client, ["data a"], "only silence");
  lab.boot(lab.server.machine);
  await lab.pass(5_000);
  assert.deepEqual(echo.client, ["data a", "error 14 BROKER_UNREACHABLE read ECONNRESET", "status 14", "end"]);
});

test("nothing answers at a machine without power, and nobody is refused", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  lab.server.machine.losePower();
  assert.equal(await lab.until(echo.ask("hello", { deadline: lab.transport.wallMs() + 500 })), "4 DEADLINE Deadline exceeded");
});

test("a paused process answers when it goes on, connections included", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  lab.server.process.pause();
  const asked = echo.ask("hello");
  let isAnswered = false;
  asked.then(
    () => (isAnswered = true),
    () => undefined,
  );
  await lab.pass(5_000);
  assert.ok(!isAnswered);
  lab.server.process.resume();
  assert.equal(await lab.until(asked), "answer hello");
});

test("who waits for a paused process to accept a connection gives up when its machine loses power", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  lab.server.process.pause();
  const asked = echo.ask("hello");
  await lab.pass(100);
  lab.server.machine.losePower();
  assert.equal(await lab.until(asked), "14 BROKER_UNREACHABLE No connection established");
});

test("who waits for a paused process to accept a connection is told when it dies", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  lab.server.process.pause();
  const asked = echo.ask("hello");
  await lab.pass(1_000);
  lab.server.process.die();
  assert.equal(await lab.until(asked), "14 BROKER_UNREACHABLE No connection established");
});

test("what a handler of an event throws is its own process's error, and later messages still come", async () => {
  const lab = new Lab();
  const uncaught: unknown[] = [];
  const got: string[] = [];
  lab.server.process.onUncaught = (error) => uncaught.push(error);
  const echo = await lab.echo({
    talk: (call) =>
      void call.on("data", (text: string) => {
        got.push(text);
        if (text === "a") throw new Error("a broken handler");
      }),
  });
  const call = echo.talk();
  for (const text of ["a", "b"]) call.write(text);
  await lab.pass(50);
  assert.deepEqual([got, uncaught.length], [["a", "b"], 1]);
});

test("what is sent to a partitioned host waits, in order, and arrives some time after the partition ends", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  const call = echo.talk();
  call.write("a");
  await lab.pass(20);
  lab.network.faults.partition(["client"], ["server"]);
  for (const text of ["b", "c", "d"]) call.write(text);
  await lab.pass(2_000);
  assert.deepEqual(echo.client, ["data a"]);
  lab.network.faults.heal();
  await lab.pass(4_500);
  assert.deepEqual(echo.client, ["data a", "data b", "data c", "data d"]);
  assert.ok((lab.network.faults.counts["packets held by a partition"] ?? 0) > 0);
});

test("a one-way partition stops one direction only", async () => {
  const lab = new Lab();
  const got: string[] = [];
  const echo = await lab.echo({
    talk: (call) => {
      call.on("data", (text: string) => got.push(text));
      for (let i = 1; i < 5; i++) lab.server.process.clock.after(i * 100, () => call.write(`${i}`));
    },
  });
  const call = echo.talk();
  await lab.pass(50);
  lab.network.faults.oneWay(["client"], ["server"]);
  call.write("a");
  await lab.pass(1_000);
  assert.deepEqual([got, echo.client], [[], ["data 1", "data 2", "data 3", "data 4"]]);
});

test("responses are lost: what was asked is done, nobody hears of it, and the other direction's own requests pass", async () => {
  const lab = new Lab();
  const asked: string[] = [];
  const echo = await lab.echo({
    ask: (call, answer) => {
      asked.push(call.request);
      answer(null, "done");
    },
  });
  await lab.until(echo.ask("before"));
  lab.network.faults.loseResponses(["server"], ["client"]);
  assert.equal(await lab.until(echo.ask("meanwhile", { deadline: lab.transport.wallMs() + 300 })), "4 DEADLINE Deadline exceeded");
  assert.deepEqual(asked, ["before", "meanwhile"]);
  assert.ok(!lab.network.link("server", "client").blocks(false));
});

test("in a ring each host reaches its two neighbours", () => {
  const { network } = new Lab();
  const hosts = ["a", "b", "c", "d", "e"];
  network.faults.ring(hosts);
  const reached = hosts.map((host) => hosts.filter((other) => other !== host && !network.link(host, other).blocks(false)).join(""));
  assert.deepEqual(reached, ["be", "ac", "bd", "ce", "ad"]);
  network.faults.heal();
  assert.ok(hosts.every((host) => hosts.every((other) => !network.link(host, other).blocks(true))));
});

test("a sender that waits too long on a partition finds its connection reset; the other side learns of it when it speaks", async () => {
  const lab = new Lab(1, { resetStalledAfterMs: { min: 900, max: 1_000 } });
  const lost: string[] = [];
  const echo = await lab.echo({
    talk: (call) => {
      watchEnd(call, () => lost.push("cancelled"));
      call.on("data", () => call.write("yes"));
    },
  });
  const call = echo.talk();
  call.write("a");
  await lab.pass(20);
  lab.network.faults.partition(["client"], ["server"]);
  call.write("b");
  await lab.pass(1_200);
  assert.deepEqual(echo.client, ["data yes", "error 14 BROKER_UNREACHABLE read ECONNRESET", "status 14", "end"]);
  assert.deepEqual(lost, []);
});

test("a connection that is reset ends on both sides, at different times, and what was under way is lost", async () => {
  const times = new Set<boolean>();
  for (let seed = 1; seed <= 10; seed++) {
    const lab = new Lab(seed);
    const at: Record<string, number> = {};
    const echo = await lab.echo({ talk: (call) => watchEnd(call, () => (at["server"] = lab.world.nowMs)) });
    echo.talk().on("error", () => (at["client"] = lab.world.nowMs));
    await lab.pass(10);
    lab.network.faults.reset("client", "server");
    await lab.pass(50);
    assert.ok(at["server"] !== undefined && at["client"] !== undefined && at["server"] !== at["client"]);
    times.add(at["server"] < at["client"]);
    assert.equal(lab.network.faults.counts["connections reset"], 1);
  }
  assert.equal(times.size, 2, "either side may be first");
});

test("a slow link takes its time by the byte, a delayed one by the packet", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  await lab.until(echo.ask("first"));
  const { faults } = lab.network;
  const took = async (text: string): Promise<number> => {
    const beganMs = lab.world.nowMs;
    let endedMs = 0;
    await lab.until(echo.ask(text).then(() => (endedMs = lab.world.nowMs)));
    return endedMs - beganMs;
  };
  assert.ok((await took("x")) < 3);
  faults.slow("client", "server", 100);
  const slowMs = await took("x".repeat(100_000));
  assert.ok(slowMs > 1_000 && slowMs < 1_050, `${slowMs}`);
  faults.calm();
  faults.delay("server", "client", 250);
  const lateMs = await took("x");
  assert.ok(lateMs > 250 && lateMs < 255, `${lateMs}`);
});

test("messages of one stream stay in order whatever their delays", async () => {
  const lab = new Lab(3, { latencyMs: { min: 0.1, max: 500 } });
  const echo = await lab.echo(echoing);
  const call = echo.talk();
  for (let i = 0; i < 300; i++) {
    call.write(`${i}`);
    await lab.pass(1);
  }
  await lab.pass(2_000);
  assert.deepEqual(
    echo.client,
    Array.from({ length: 300 }, (_, i) => `data ${i}`),
  );
});

test("a process that dies at one of its acts has sent what came before, and nothing after", async () => {
  const sent = new Set<number>();
  for (let seed = 1; seed <= 30; seed++) {
    const lab = new Lab(seed);
    const got: string[] = [];
    const echo = await lab.echo({ talk: (call) => void call.on("data", (text: string) => got.push(text)) });
    const call = echo.talk();
    await lab.pass(10);
    lab.client.process.dieAfter(3);
    for (const text of ["1", "2", "3", "4", "5"]) call.write(text);
    await lab.pass(50);
    assert.ok(!lab.client.process.isAlive);
    assert.ok(got.length === 2 || got.length === 3, `${got}`);
    sent.add(got.length);
  }
  assert.deepEqual([...sent].sort(), [2, 3], "dead just before the act, or just after it");
});

test("an unanswered ping ends a connection that has calls", async () => {
  const lab = new Lab();
  const echo = await lab.echo(silent, { "grpc.keepalive_time_ms": 1_000, "grpc.keepalive_timeout_ms": 500 });
  echo.talk();
  await lab.pass(5_000);
  assert.deepEqual(echo.client, [], "answered pings are quiet");
  lab.network.faults.partition(["client"], ["server"]);
  await lab.pass(1_600);
  assert.deepEqual(echo.client, ["error 14 BROKER_UNREACHABLE Connection dropped", "status 14", "end"]);
});

test("a connection that hangs comes about after the partition ends", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  lab.network.faults.isolate("server", ["client"]);
  const asked = echo.ask("hello");
  await lab.pass(3_000);
  lab.network.faults.heal();
  assert.equal(await lab.until(asked), "answer hello");
});

test("an address is had once, by its own machine, until its process ends", async () => {
  const lab = new Lab();
  const echo = await lab.echo(echoing);
  const { freeAddress } = lab.server.ports;
  const taken = `server:${echo.port}`;
  await assert.rejects(freeAddress("listen", taken), { reason: "INVALID_SETTING" });
  await assert.rejects(freeAddress("listen", "client:1"), { reason: "INVALID_SETTING" });
  assert.match(await freeAddress("listen", "server:0"), /^server:\d+$/);
  lab.server.process.die();
  assert.equal(await lab.boot(lab.server.machine).ports.freeAddress("listen", taken), taken);
});

test("one seed, one history", async () => {
  const history = async (seed: number): Promise<string> => {
    const lab = new Lab(seed);
    const echo = await lab.echo(echoing);
    const call = echo.talk();
    for (let i = 0; i < 100; i++) {
      call.write(`${i}`);
      await lab.pass(3);
      if (i === 50) lab.transport.freeze();
      if (i === 70) lab.transport.thaw();
    }
    await lab.until(until(lab.transport, () => echo.client.length === 100));
    return lab.world.trace.hash;
  };
  const [first, again, other] = [await history(1), await history(1), await history(2)];
  assert.equal(first, again);
  assert.notEqual(first, other);
});
