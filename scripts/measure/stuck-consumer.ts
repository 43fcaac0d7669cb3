import { Client, credentials } from "@grpc/grpc-js";
import { openBidi } from "../../src/wire/call.js";
import { NamedPosition } from "../../src/wire/messages.js";
import { fetchService } from "../../src/wire/services.js";

/** A consumer with all the credit in the world that reads nothing; returns its end. */
export async function openStuckConsumer(address: string, topic: string, partitions: number): Promise<() => void> {
  const client = new Client(address, credentials.createInsecure());
  const call = openBidi(client, fetchService.Subscribe);
  call.on("error", () => undefined);
  call.write({ step: "credit", credit: { totalBytes: Number.MAX_SAFE_INTEGER } });
  for (let partition = 0; partition < partitions; partition++) {
    call.write({
      step: "add",
      add: { subscriptionId: partition + 1, topic, partition, position: { position: "named", named: NamedPosition.earliest } },
    });
  }
  call.pause();
  return () => {
    call.cancel();
    client.close();
  };
}
