/** Typed method definitions: what proto-loader makes, with types, refusals instead of crashes, and hand codecs where it counts. */
import type * as grpc from "@grpc/grpc-js";
import { loadSync, type MethodDefinition, type PackageDefinition } from "@grpc/proto-loader";
import { assert } from "../base/assert.js";
import { QuireError } from "../base/errors.js";
import type { Init } from "./messages.js";
import { protoRoot } from "./proto-root.js";
import { MalformedError } from "./reader.js";

interface Method<Request, Response> {
  readonly path: string;
  readonly originalName: string;
  readonly requestSerialize: (message: Init<Request>) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (message: Init<Response>) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}
export interface UnaryMethod<Request, Response> extends Method<Request, Response> {
  readonly requestStream: false;
  readonly responseStream: false;
}
export interface ServerStreamMethod<Request, Response> extends Method<Request, Response> {
  readonly requestStream: false;
  readonly responseStream: true;
}
export interface BidiMethod<Request, Response> extends Method<Request, Response> {
  readonly requestStream: true;
  readonly responseStream: true;
}

/** The handlers that a service's definition asks for, typed; give both to `server.addService`. */
export type Handlers<Service> = {
  readonly [Name in keyof Service]: Service[Name] extends UnaryMethod<infer Request, infer Response>
    ? grpc.handleUnaryCall<Request, Init<Response>>
    : Service[Name] extends ServerStreamMethod<infer Request, infer Response>
      ? grpc.handleServerStreamingCall<Request, Init<Response>>
      : Service[Name] extends BidiMethod<infer Request, infer Response>
        ? grpc.handleBidiStreamingCall<Request, Init<Response>>
        : never;
};

/** A codec made by hand, wire-compatible with the `.proto`. */
export interface Codec<Message> {
  readonly encode: (message: Init<Message>) => Buffer;
  readonly decode: (bytes: Buffer) => Message;
}

/**
 * What a request's deserializer gives for bytes that are no such message, instead of throwing: grpc-js answers a throwing
 * deserializer with INTERNAL and without the reason. `refuseMalformed` turns it into a status before a handler sees it.
 */
export class MalformedRequest {
  readonly error: QuireError;
  constructor(error: QuireError) {
    this.error = error;
  }
}

/** Loads `.proto` files of this package: camelCase, int64 as number, enums as numbers, defaults filled in. */
export function loadProto(files: readonly string[]): PackageDefinition {
  return loadSync([...files], { includeDirs: [protoRoot], longs: Number, defaults: true, oneofs: true });
}

/** Hand codecs for the hot methods of a service. */
type Codecs<Service> = {
  readonly [Name in keyof Service]?: Service[Name] extends Method<infer Request, infer Response>
    ? { readonly request: Codec<Request>; readonly response: Codec<Response> }
    : never;
};

/** The generated definition of a service, typed by the caller, with the given hand codecs in place of the generated ones. */
export function service<Service>(definitions: PackageDefinition, name: string, codecs: Codecs<Service> = {}): Service {
  const generated = definitions[name] as Record<string, MethodDefinition<object, object>> | undefined;
  assert(generated !== undefined, () => `${name} is in the .proto files`);
  const byHand = codecs as Record<string, { readonly request: Codec<object>; readonly response: Codec<object> } | undefined>;
  const methods = Object.entries(generated).map(([methodName, method]) => {
    const codec = byHand[methodName];
    return [
      methodName,
      {
        ...method,
        requestSerialize: codec?.request.encode ?? method.requestSerialize,
        requestDeserialize: refusing(codec?.request.decode ?? checked(method.requestDeserialize)),
        responseSerialize: codec?.response.encode ?? method.responseSerialize,
        responseDeserialize: codec?.response.decode ?? checked(method.responseDeserialize),
      },
    ];
  });
  return Object.fromEntries(methods) as Service;
}

function refusing(decode: (bytes: Buffer) => unknown): (bytes: Buffer) => unknown {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch (thrown) {
      return new MalformedRequest(malformedToQuireError(thrown));
    }
  };
}

function malformedToQuireError(thrown: unknown): QuireError {
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return new QuireError("INVALID_FIELD", `the request cannot be decoded: ${why}; send what the .proto describes`, {
    fields: [{ field: thrown instanceof MalformedError ? thrown.field : "", description: why }],
    cause: thrown,
  });
}

/** The generated decoder rounds int64 beyond 2^53 silently. Those are whole numbers all the same; what has a fraction is a double. */
function checked(decode: (bytes: Buffer) => object): (bytes: Buffer) => object {
  return (bytes) => {
    const message = decode(bytes);
    if (!isExact(message)) refuseInexact(message, "");
    return message;
  };
}

const isExactNumber = (value: number): boolean => Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));

/** Whether all numbers are as they were sent. Apart from the search for the one that is not: this runs for every message, and metadata has thousands. */
function isExact(value: object): boolean {
  if (value instanceof Uint8Array) return true;
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  for (const item of items) {
    if (typeof item === "number" ? !isExactNumber(item) : typeof item === "object" && item !== null && !isExact(item)) return false;
  }
  return true;
}

function refuseInexact(value: unknown, path: string): void {
  if (typeof value === "number" && !isExactNumber(value)) throw new MalformedError(`${path} is about ${value}, beyond ±(2^53 − 1)`, path);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  for (const [key, item] of Object.entries(value)) refuseInexact(item, path === "" ? key : `${path}.${key}`);
}

/**
 * For messages that are written to many streams: the bytes of a message object are made once and live as long as it does. Such a
 * message must not change after it was first written.
 */
export function serializedOnce<Message extends object>(serialize: (message: Message) => Buffer): (message: Message) => Buffer {
  const known = new WeakMap<Message, Buffer>();
  return (message) => {
    const bytes = known.get(message) ?? serialize(message);
    known.set(message, bytes);
    return bytes;
  };
}
