// An OpenID Connect provider of other people's making (oidc-provider), for tests: issuer, keys and port are given.
// usage: node idp.mjs PORT JWKS_FILE
import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const [port, keys] = process.argv.slice(2);
const client = (client_id) => ({
  client_id,
  token_endpoint_auth_method: "none",
  application_type: "native",
  redirect_uris: ["http://127.0.0.1/callback"],
  grant_types: ["authorization_code"],
  response_types: ["code"],
});
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [client("bailiwick"), client("another")],
  jwks: JSON.parse(readFileSync(keys, "utf8")),
  cookies: { keys: ["only for a test"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
