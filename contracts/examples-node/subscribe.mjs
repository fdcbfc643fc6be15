// Subscribes to the events of a service durably, validates each against its published schema, and prints one line per event.
// usage: node subscribe.mjs NATS_URL SCHEMAS_URL SERVICE DURABLE [COUNT]
// Stop it whenever you like: what happened meanwhile comes when it runs again under the same durable name.
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";

const [natsUrl, schemasUrl, service, durable, count] = process.argv.slice(2);
const stream = `BAILIWICK_${service.toUpperCase()}`;

const ajv = new Ajv2020({ strict: false });
addFormats(ajv);
const validators = new Map();

async function validatorOf(event) {
  if (!validators.has(event.dataschema)) {
    const answer = await fetch(new URL(event.dataschema, schemasUrl));
    if (!answer.ok) throw new Error(`${event.dataschema}: ${answer.status}`);
    validators.set(event.dataschema, ajv.compile(await answer.json()));
  }
  return validators.get(event.dataschema);
}

const options = { servers: natsUrl };
if (process.env.BAILIWICK_NATS_NKEY_FILE) {
  options.authenticator = nkeyAuthenticator(new TextEncoder().encode(readFileSync(process.env.BAILIWICK_NATS_NKEY_FILE, "utf8").trim()));
  options.inboxPrefix = `_INBOX_${durable}`;
}
const connection = await connect(options);
const manager = await jetstreamManager(connection, { checkAPI: false });
await manager.consumers
  .add(stream, {
    durable_name: durable,
    filter_subject: `bailiwick.*.${service}.event.>`,
    ack_policy: AckPolicy.Explicit,
    // One at a time: what was handed out and not acknowledged comes again before anything behind it, so the order holds.
    max_ack_pending: 1,
    ack_wait: 5_000_000_000,
  })
  .catch((error) => {
    if (!String(error).includes("exists")) throw error;
  });
const consumer = await jetstream(connection, { checkAPI: false }).consumers.get(stream, durable);

let left = count === undefined ? Infinity : Number(count);
const messages = await consumer.consume({ max_messages: 1 });
for await (const message of messages) {
  const event = JSON.parse(message.string());
  const valid = await validatorOf(event);
  if (!valid(event)) throw new Error(`${event.id} ${event.type}: ${ajv.errorsText(valid.errors)}`);
  console.log(JSON.stringify({ id: event.id, type: event.type, chainnumber: event.chainnumber, source: event.source }));
  await message.ackAck();
  left -= 1;
  if (left <= 0) break;
}
await connection.close();
