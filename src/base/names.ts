import { QuireError } from "./errors.js";
import { limits } from "./limits.js";

const NAME = /^[a-z0-9._-]+$/;

/**
 * Checks a topic's name: 1 to 249 characters of `a-z 0-9 . _ -`, not `.` or `..`, so that it is safe as a
 * file's name and in a metric's label.
 *
 * @throws QuireError INVALID_NAME
 */
export const checkTopicName = (name: string): void => checkName("topic", name);

/** The same for the name of a producer. @throws QuireError INVALID_NAME */
export const checkProducerName = (name: string): void => checkName("producer", name);

/** The same for the name of a consumer group. @throws QuireError INVALID_NAME */
export const checkGroupName = (name: string): void => checkName("group", name);

function checkName(what: string, name: string): void {
  const refuse = (why: string): never => {
    throw new QuireError("INVALID_NAME", `${what} name ${JSON.stringify(name.slice(0, 300))} ${why}; use 1 to ${limits.topicNameLength} of a-z 0-9 . _ -`, {
      details: { name: name.slice(0, 300) },
      fields: [{ field: "name", description: why }],
    });
  };
  if (name.length === 0) refuse("is empty");
  if (name.length > limits.topicNameLength) refuse(`is ${name.length} characters long`);
  if (!NAME.test(name)) refuse("has characters that are not allowed");
  if (name === "." || name === "..") refuse("is a folder's name");
}
