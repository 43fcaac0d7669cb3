import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { MalformedRequest } from "./method.js";
import { toStatusObject } from "./status.js";

/** Ends a call whose request could not be decoded with INVALID_ARGUMENT and the reason; handlers never see it. */
export const refuseMalformed: ServerInterceptor = (_method, call) =>
  new ServerInterceptingCall(call, {
    start(next) {
      next({
        onReceiveMessage(message: unknown, pass) {
          if (message instanceof MalformedRequest) call.sendStatus(toStatusObject(message.error));
          else pass(message);
        },
      });
    },
  });
