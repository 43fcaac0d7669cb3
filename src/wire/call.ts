/** Calling typed methods on one channel, which serves all services. */
import * as grpc from "@grpc/grpc-js";
import { onAbort } from "../base/on-abort.js";
import type { Init } from "./messages.js";
import type { BidiMethod, ServerStreamMethod, UnaryMethod } from "./method.js";
import { fromGrpcError } from "./status.js";
import type { Caller } from "./transport.js";

export interface CallOptions {
  /** When the call fails with DEADLINE, as milliseconds since 1970 (gRPC's own clock); absent for never. */
  readonly deadline?: number;
  readonly metadata?: grpc.Metadata;
  readonly signal?: AbortSignal;
}

/** One request, one answer. @throws QuireError whatever goes wrong, see `fromGrpcError` */
export function callUnary<Request, Response>(
  caller: Caller,
  method: UnaryMethod<Request, Response>,
  request: Init<Request>,
  options: CallOptions = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { signal } = options;
    const done = (error: grpc.ServiceError | null, response?: Response): void => {
      unhook();
      if (error !== null) reject(fromGrpcError(error));
      else resolve(response as Response);
    };
    const call = caller.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      options.metadata ?? new grpc.Metadata(),
      callOptions(options),
      done,
    );
    const cancel = (): void => call.cancel();
    const unhook = signal === undefined ? () => {} : onAbort(signal, cancel);
    if (signal?.aborted === true) cancel();
  });
}

/** Opens a stream both ways. It fails by its `error` event, with a `grpc.ServiceError` for `fromGrpcError`. */
export function openBidi<Request, Response>(
  caller: Caller,
  method: BidiMethod<Request, Response>,
  options: Omit<CallOptions, "signal"> = {},
): grpc.ClientDuplexStream<Init<Request>, Response> {
  return caller.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    options.metadata ?? new grpc.Metadata(),
    callOptions(options),
  );
}

/** Opens a stream of answers. It fails by its `error` event, with a `grpc.ServiceError` for `fromGrpcError`. */
export function openServerStream<Request, Response>(
  caller: Caller,
  method: ServerStreamMethod<Request, Response>,
  request: Init<Request>,
  options: Omit<CallOptions, "signal"> = {},
): grpc.ClientReadableStream<Response> {
  return caller.makeServerStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    options.metadata ?? new grpc.Metadata(),
    callOptions(options),
  );
}

function callOptions(options: Pick<CallOptions, "deadline">): grpc.CallOptions {
  return options.deadline === undefined ? {} : { deadline: options.deadline };
}
