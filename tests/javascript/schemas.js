// Holds events against the schemas that are published of GitHub's: one JSON object a line, with event and payload.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
// As it is used for a few events, it is not worth while to make it fast.
const ajv = new (require("ajv"))({ allErrors: true, strict: false, inlineRefs: false, code: { optimize: false } });
require("ajv-formats")(ajv);
ajv.addSchema(require("@octokit/webhooks-schemas"), "github");

for await (const line of createInterface({ input: process.stdin })) {
  const { event, payload } = JSON.parse(line);
  const validate = ajv.getSchema(`github#/definitions/${event}$${payload.action}`);
  validate(payload);
  const errors = (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
  console.log(JSON.stringify({ errors }));
}
