// Holds a webhook's signature against the reference library of Standard Webhooks. usage: node verify.mjs SECRET < {"headers", "body"}
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { headers, body } = JSON.parse(readFileSync(0, "utf8"));
const verified = new Webhook(process.argv[2]).verify(body, headers);
let refused = false;
try {
  new Webhook(process.argv[2]).verify(`${body} `, headers);
} catch {
  refused = true;
}
console.log(JSON.stringify({ id: verified.id, refused }));
