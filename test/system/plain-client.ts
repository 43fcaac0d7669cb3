/**
 * A program in some other language, so to speak: stubs made from the `.proto` files alone, with gRPC and protobuf libraries and nothing
 * of this project, neither its client nor its codecs.
 */
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";

/** A message as proto-loader gives it: the test knows what is in it. */
// biome-ignore lint/suspicious/noExplicitAny: generated stubs have no types, and naming each message again would test nothing.
export type Message = any;

const PROTO = fileURLToPath(new URL("../../../proto", import.meta.url));
const REFLECTION = path.join(path.dirname(createRequire(import.meta.url).resolve("@grpc/reflection/package.json")), "build", "proto");
const files = [
  ...["produce", "fetch", "group", "cluster", "admin"].map((name) => `quire/v1/${name}.proto`),
  ...["google/rpc/status.proto", "google/rpc/error_details.proto", "grpc/reflection/v1/reflection.proto"],
];
const definitions = loadSync(files, { includeDirs: [PROTO, REFLECTION], longs: Number, enums: String, defaults: true, oneofs: true, keepCase: true });
const scope: Message = grpc.loadPackageDefinition(definitions);

const typeNamed = (name: string): MessageTypeDefinition<object, object> => definitions[name] as MessageTypeDefinition<object, object>;
/** What a method takes. */
export function requestTypeOf(method: string): ProtoType {
  const at = method.lastIndexOf(".");
  return protoType((definitions[method.slice(0, at)] as Message)[method.slice(at + 1)].requestType.type);
}
export const encode = (type: string, message: object): Buffer => typeNamed(type).serialize(message);
export const decode = (type: string, bytes: Uint8Array): Message => typeNamed(type).deserialize(Buffer.from(bytes));

export interface ProtoField {
  readonly name: string;
  /** `TYPE_INT32` and the like. */
  readonly type: string;
  readonly isRepeated: boolean;
  /** Fields of one oneof have the same number; undefined for a field that stands alone. */
  readonly oneof: number | undefined;
  /** Of the message that it holds, if it holds one. */
  readonly message: ProtoType | undefined;
}

/** A message type as its `.proto` file describes it. */
export interface ProtoType {
  readonly fields: () => ProtoField[];
}

function protoType({ field, nestedType, oneofDecl }: Message): ProtoType {
  // The loader says 0 for no oneof, too; in these messages either all fields are in one or none is. `optional` is a oneof of its own, `_name`.
  const isChoice = oneofDecl.some(({ name }: Message) => !name.startsWith("_"));
  const typeOf = (typeName: string): ProtoType => {
    const inner = nestedType.find(({ name }: Message) => name === typeName);
    return protoType(inner ?? (typeNamed(typeName in definitions ? typeName : `quire.v1.${typeName}`) as Message).type);
  };
  const fields = field.map(({ name, label, type, typeName, oneofIndex }: Message) => ({
    name,
    type,
    isRepeated: label === "LABEL_REPEATED",
    oneof: isChoice ? oneofIndex : undefined,
    message: type === "TYPE_MESSAGE" ? typeOf(typeName) : undefined,
  }));
  return { fields: () => fields };
}

interface Failure {
  readonly code: number;
  readonly message: string;
  readonly ErrorInfo: Message;
  readonly RetryInfo?: Message;
  readonly BadRequest?: Message;
}

/** `google.rpc.Status` taken apart: its code, and its details by the last part of their type's name. */
export function detailsOf(status: Message): Failure {
  const details = status.details.map(({ type_url, value }: Message) => {
    const type = String(type_url).replace("type.googleapis.com/", "");
    return [type.replace("google.rpc.", ""), decode(type, value)];
  });
  return { code: status.code, message: status.message, ErrorInfo: undefined, ...Object.fromEntries(details) };
}

/** What a gRPC library makes of a failed call, read by the common error model. */
export function failure(error: grpc.ServiceError): Failure {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (!(bytes instanceof Buffer)) throw new Error(`no details: ${error.message}`, { cause: error });
  const status = detailsOf(decode("google.rpc.Status", bytes));
  if (status.code !== error.code) throw new Error(`the details say ${status.code}, the call ${error.code}`, { cause: error });
  return status;
}

interface Stub extends grpc.Client {
  [method: string]: Message;
}

export class PlainClient {
  readonly #address: string;
  readonly #stubs = new Map<string, Stub>();

  constructor(address: string) {
    this.#address = address;
  }

  /** Rejects with gRPC's own error. `method` is `quire.v1.AdminService.CreateTopic`. */
  ask(method: string, request: object): Promise<Message> {
    const [stub, name] = this.#stub(method);
    return new Promise((resolve, reject) => {
      stub[name](request, { deadline: Date.now() + 20_000 }, (error: grpc.ServiceError | null, response: Message) => {
        if (error === null) resolve(response);
        else reject(error);
      });
    });
  }

  /** The details of the failure that the call must end with. */
  async refusal(method: string, request: object): Promise<Failure> {
    try {
      await this.ask(method, request);
    } catch (error) {
      return failure(error as grpc.ServiceError);
    }
    throw new Error(`${method} was not refused`);
  }

  /** Sends bytes as they are and returns the bytes of the answer. */
  askBytes(method: string, request: Buffer): Promise<Buffer> {
    const [stub] = this.#stub(method);
    const path = `/${method.replace(/\.(\w+)$/, "/$1")}`;
    const raw = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve, reject) => {
      stub.makeUnaryRequest(path, raw, raw, request, { deadline: Date.now() + 20_000 }, (error: grpc.ServiceError | null, answer?: Buffer) => {
        if (error === null) resolve(answer ?? Buffer.alloc(0));
        else reject(error);
      });
    });
  }

  /** The first message of the answer, of whatever kind the method is, or the error that it ends with. Streams are sent all requests. */
  async firstAnswer(method: string, ...requests: readonly object[]): Promise<Message | grpc.ServiceError> {
    const [stub, name] = this.#stub(method);
    const { requestStream, responseStream } = stub[name];
    if (!responseStream) return await this.ask(method, requests[0] ?? {}).catch((error: grpc.ServiceError) => error);
    const deadline = { deadline: Date.now() + 20_000 };
    const call = requestStream ? stub[name](deadline) : stub[name](requests[0], deadline);
    return await new Promise((resolve) => {
      call.on("error", resolve);
      call.once("data", (message: Message) => {
        resolve(message);
        call.cancel();
      });
      if (requestStream) for (const request of requests) call.write(request);
    });
  }

  open(method: string): PlainStream {
    const [stub, name] = this.#stub(method);
    return new PlainStream(stub[name]({ deadline: Date.now() + 20_000 }));
  }

  close(): void {
    for (const stub of this.#stubs.values()) stub.close();
  }

  #stub(method: string): [Stub, string] {
    const at = method.lastIndexOf(".");
    const service = method.slice(0, at);
    let stub = this.#stubs.get(service);
    if (stub === undefined) {
      const made = service.split(".").reduce((inner: Message, part) => inner[part], scope);
      stub = new made(this.#address, grpc.credentials.createInsecure(), { "grpc.enable_http_proxy": 0 }) as Stub;
      this.#stubs.set(service, stub);
    }
    return [stub, method.slice(at + 1)];
  }
}

/** A stream both ways; its messages one by one. */
export class PlainStream {
  readonly call: grpc.ClientDuplexStream<Message, Message>;
  readonly #messages: AsyncIterator<Message>;

  constructor(call: grpc.ClientDuplexStream<Message, Message>) {
    this.call = call;
    this.#messages = call[Symbol.asyncIterator]();
  }

  send(message: object): void {
    this.call.write(message);
  }

  /** The next message. Rejects when the stream ends. */
  async next(): Promise<Message> {
    const { value, done } = await this.#messages.next();
    if (done === true) throw new Error("the stream ended");
    return value;
  }

  cancel(): void {
    this.call.on("error", () => {});
    this.call.cancel();
  }
}
