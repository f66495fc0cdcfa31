// Tokens that are bound to a key: RFC 9449.

import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

import { BACK, challenged, check, refused } from "./host.mjs";

const keysOf = (alg = "ES256") => oauth.generateKeyPair(alg);
const holder = async (client, alg) => oauth.DPoP(client.named, await keysOf(alg));

/** Keeps what was sent, so that somebody else can send it again. */
function listening() {
  const heard = [];
  const listen = (url, options) => {
    heard.push({ url, options });
    return fetch(url, options);
  };
  return { heard, options: { [oauth.customFetch]: listen } };
}

for (const alg of ["ES256", "Ed25519", "RS256", "PS256"]) {
  check(`a-bound-token-opens-the-api-${alg}`, async (host) => {
    const client = host.client();
    const DPoP = await holder(client, alg);
    const given = await client.asItself({}, { DPoP });
    assert.equal(given.token_type, "dpop");
    for (const path of ["/tasks", `/tasks/${host.facts.tasks.North}?fields=summary`]) {
      assert.equal((await host.read(given.access_token, path, { DPoP })).status, 200);
    }
    assert.ok((await client.introspect(given.access_token)).cnf.jkt);
  });
}

check("a-bound-token-is-no-bearer-token", async (host) => {
  const client = host.client();
  const DPoP = await holder(client);
  const given = await client.asItself({}, { DPoP });
  assert.equal((await challenged(host.read(given.access_token), "bearer")).status, 401);
  const asBearer = (url, options) => {
    const headers = new Headers(options.headers); // with a proof that is right, under the wrong scheme
    headers.set("authorization", `Bearer ${given.access_token}`);
    return fetch(url, { ...options, headers });
  };
  const answer = host.read(given.access_token, "/tasks", { DPoP, [oauth.customFetch]: asBearer });
  assert.equal((await challenged(answer, "bearer")).status, 401);
  assert.equal((await host.read(given.access_token, "/tasks", { DPoP })).status, 200);
});

check("a-bound-token-needs-its-proof", async (host) => {
  const client = host.client();
  const given = await client.asItself({}, { DPoP: await holder(client) });
  const headers = { authorization: `DPoP ${given.access_token}` };
  assert.equal((await fetch(host.url("/tasks"), { headers })).status, 401);
  for (const proof of ["", "a.b.c", "x".repeat(10_000)]) {
    assert.equal((await fetch(host.url("/tasks"), { headers: { ...headers, dpop: proof } })).status, 401);
  }
});

check("a-proof-of-another-key-is-refused", async (host) => {
  const client = host.client();
  const given = await client.asItself({}, { DPoP: await holder(client) });
  const said = await challenged(host.read(given.access_token, "/tasks", { DPoP: await holder(client) }), "dpop");
  assert.deepEqual([said.status, said.error], [401, "invalid_dpop_proof"]);
});

check("a-proof-counts-once-at-the-api", async (host) => {
  const client = host.client();
  const DPoP = await holder(client);
  const given = await client.asItself({}, { DPoP });
  const { heard, options } = listening();
  assert.equal((await host.read(given.access_token, "/tasks", { DPoP, ...options })).status, 200);
  const [{ url, options: sent }] = heard;
  const again = await Promise.all(Array.from({ length: 4 }, () => fetch(url, sent)));
  assert.deepEqual(again.map((each) => each.status), [401, 401, 401, 401]);
  const elsewhere = await fetch(host.url(`/tasks/${host.facts.tasks.North}`), sent);
  assert.equal(elsewhere.status, 401);
});

check("a-proof-counts-once-at-the-token-endpoint", async (host) => {
  const client = host.client();
  const { heard, options } = listening();
  await client.asItself({}, { DPoP: await holder(client), ...options });
  const [{ url, options: sent }] = heard;
  const again = await fetch(url, sent);
  assert.equal(again.status, 400);
  assert.equal((await again.json()).error, "invalid_dpop_proof");
});

check("a-proof-is-for-its-method-address-token-and-moment", async (host) => {
  const client = host.client();
  const keys = await keysOf();
  const given = await client.asItself({}, { DPoP: oauth.DPoP(client.named, keys) });
  for (const change of [
    (_, claims) => (claims.htm = "POST"),
    (_, claims) => (claims.htu = "https://elsewhere.example/api/v1/tasks"),
    (_, claims) => (claims.ath = "x".repeat(43)),
    (_, claims) => delete claims.ath,
    (_, claims) => delete claims.jti,
    (_, claims) => (claims.iat -= 3600),
    (_, claims) => (claims.iat += 3600),
    (header) => (header.typ = "jwt"),
    (header) => (header.alg = "none"),
    (header) => (header.alg = "HS256"),
  ]) {
    const DPoP = oauth.DPoP(client.named, keys, { [oauth.modifyAssertion]: change });
    const said = await challenged(host.read(given.access_token, "/tasks", { DPoP }), "dpop");
    assert.deepEqual([said.status, said.error], [401, "invalid_dpop_proof"], String(change));
  }
});

check("a-public-client-s-refresh-token-is-bound", async (host) => {
  const client = host.client("public-app");
  const DPoP = await holder(client);
  const given = await client.authorized(host.ben, {}, { DPoP });
  await refused(client.refresh(given.refresh_token, { DPoP: await holder(client) }), "invalid_grant");
  await refused(client.refresh(given.refresh_token), "invalid_grant");
  const next = await client.refresh(given.refresh_token, { DPoP });
  assert.equal((await host.read(next.access_token, "/tasks", { DPoP })).status, 200);
});

check("a-pushed-request-s-proof-binds-the-code", async (host) => {
  const client = host.client();
  const DPoP = await holder(client);
  const { query, verifier, state } = await client.request();
  const pushed = await client.push(query, { DPoP });
  const back = await host.ben.authorize({ client_id: client.named.client_id, request_uri: pushed.request_uri });
  const callback = oauth.validateAuthResponse(client.as, client.named, back, state);
  const asked = { callback, verifier, query: { redirect_uri: BACK } };
  const taken = (sent) => oauth.processAuthorizationCodeResponse(client.as, client.named, sent);
  await refused(client.redeem(asked, { DPoP: await holder(client) }).then(taken), "invalid_grant");
  await refused(client.redeem(asked).then(taken), "invalid_grant");
  const given = await taken(await client.redeem(asked, { DPoP }));
  assert.equal((await host.read(given.access_token, "/tasks", { DPoP })).status, 200);
});
