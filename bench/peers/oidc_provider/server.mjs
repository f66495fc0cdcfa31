// A peer of the bench: oidc-provider with its in-memory adapter, opaque tokens, one client, `client_credentials`.
// It prints its port on a line of its own once it answers. GET /task answers the bytes of the file that it is given,
// to whoever brings a token of its own: what a bearer check costs there.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [clientId, clientSecret, bodyFile] = process.argv.slice(2);
const body = readFileSync(bodyFile);

const provider = new Provider("http://127.0.0.1", {
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
      token_endpoint_auth_method: "client_secret_basic",
      scope: "tasks:read",
    },
  ],
  scopes: ["tasks:read"],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  clientAuthMethods: ["client_secret_basic"],
});

const answer = provider.callback();
const server = createServer(async (request, response) => {
  if (request.url !== "/task") return answer(request, response);
  const [scheme, text] = (request.headers.authorization ?? "").split(" ");
  const token = scheme === "Bearer" ? await provider.ClientCredentials.find(text) : undefined;
  if (!token?.isValid || !token.scopes.has("tasks:read")) {
    response.writeHead(401).end();
    return;
  }
  response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
