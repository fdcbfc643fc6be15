// Reads what bailiwick publishes with other people's libraries: the AsyncAPI parser, and the CloudEvents SDK for JavaScript.
// usage: node judge.mjs asyncapi.json events.ndjson
import { readFileSync } from "node:fs";
import parserModule from "@asyncapi/parser";
import { HTTP } from "cloudevents";

const [asyncapi, events] = process.argv.slice(2);
const Parser = parserModule.Parser ?? parserModule;
const { document, diagnostics } = await new Parser().parse(readFileSync(asyncapi, "utf8"));
const errors = diagnostics.filter((one) => one.severity === 0);
if (!document || errors.length) {
  console.error(JSON.stringify(errors.slice(0, 5), null, 1));
  process.exit(1);
}
const read = readFileSync(events, "utf8")
  .trim()
  .split("\n")
  .map((body) => HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body }));
// `dataschema` is stored relative to the host that serves the schemas, which the SDK's own strict validation, a step beyond reading, refuses.
for (const event of read) {
  if (!event.id || !event.type || !event.source || event.specversion !== "1.0" || typeof event.data !== "object") throw new Error(event.id);
}
console.log(JSON.stringify({ channels: document.allChannels().length, warnings: diagnostics.length, events: read.length, ids: read.map((e) => e.id) }));
