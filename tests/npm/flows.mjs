// What a client of the host does in good faith.

import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

import { BACK, LOCAL, challenged, check, refused } from "./host.mjs";

check("discovery-8414", async ({ as, issuer }) => {
  assert.equal(as.issuer, issuer.origin);
  assert.deepEqual(as.code_challenge_methods_supported, ["S256"]);
  assert.deepEqual(as.response_types_supported, ["code"]);
  assert.equal(as.authorization_response_iss_parameter_supported, true);
  assert.equal(as.client_id_metadata_document_supported, true);
  assert.ok(!as.grant_types_supported.some((each) => ["implicit", "password"].includes(each)));
});

check("every-endpoint-of-the-metadata-answers", async ({ as }) => {
  const named = Object.entries(as).filter(([name]) => name.endsWith("_endpoint") || name === "jwks_uri");
  assert.ok(named.length >= 6);
  for (const [name, url] of named) {
    const answer = await fetch(url, { redirect: "manual" });
    assert.ok(answer.status !== 404 && answer.status < 500, `${name}: ${answer.status}`);
  }
});

check("discovery-9728-from-the-challenge", async (host) => {
  const answer = await fetch(host.url("/tasks"));
  assert.equal(answer.status, 401);
  const [, named] = answer.headers.get("www-authenticate").match(/resource_metadata="([^"]+)"/);
  const resource = host.url("");
  const from = await oauth.processResourceDiscoveryResponse(resource, await fetch(named));
  const found = await oauth.resourceDiscoveryRequest(resource, LOCAL);
  assert.deepEqual(from, await oauth.processResourceDiscoveryResponse(resource, found));
  assert.deepEqual(from.authorization_servers, [host.as.issuer]);
  assert.ok(host.as.protected_resources.includes(from.resource));
});

for (const app of ["basic-app", "posting-app", "keyed-app"]) {
  check(`client-credentials-${app}`, async (host) => {
    const given = await host.client(app).asItself();
    assert.equal(given.token_type, "bearer");
    assert.equal(given.refresh_token, undefined);
    const listed = await (await host.read(given.access_token)).json();
    assert.deepEqual(listed.items.map((each) => each.id), [host.facts.tasks.North]);
  });
}

check("a-token-is-narrowed-to-what-was-asked", async (host) => {
  const given = await host.client().asItself({ scope: "tasks:read" });
  assert.equal(given.scope, "tasks:read");
  const said = await challenged(host.read(given.access_token, `/tasks/${host.facts.tasks.North}/attachments`), "bearer");
  assert.equal(said.error, "insufficient_scope");
  assert.match(said.scope, /attachments:read/);
  await refused(host.client().asItself({ scope: "comments:write" }), "invalid_scope");
});

check("a-token-is-for-the-one-resource", async (host) => {
  await host.client().asItself({ resource: host.url("").href });
  await refused(host.client().asItself({ resource: "https://elsewhere.example/api" }), "invalid_target");
});

for (const app of ["basic-app", "posting-app", "keyed-app", "public-app"]) {
  check(`code-with-pkce-${app}`, async (host) => {
    const client = host.client(app);
    const asked = await client.ask(host.ben);
    assert.equal(asked.back.searchParams.get("iss"), host.as.issuer);
    const given = await oauth.processAuthorizationCodeResponse(client.as, client.named, await client.redeem(asked));
    assert.deepEqual(given.scope.split(" ").sort(), ["people:name", "tasks:read"]);
    assert.equal((await host.read(given.access_token)).status, 200);
    assert.ok(given.refresh_token);
  });
}

check("a-client-by-its-metadata-document", async (host) => {
  const client = host.described();
  const given = await client.authorized(host.ben);
  assert.equal((await host.read(given.access_token)).status, 200);
  const next = await client.refresh(given.refresh_token);
  assert.equal((await host.read(next.access_token)).status, 200);
  await client.revoke(next.refresh_token);
  assert.equal(await host.opens(next.access_token), 401);
});

check("what-is-unticked-is-not-granted", async (host) => {
  const client = host.client("posting-app");
  const asked = await client.ask(host.dee, { scope: "tasks:read attachments:read" }, { untick: ["attachments:read"] });
  const given = await oauth.processAuthorizationCodeResponse(client.as, client.named, await client.redeem(asked));
  assert.equal(given.scope, "tasks:read");
});

check("saying-no-goes-back-with-iss", async (host) => {
  const client = host.client();
  const raised = await client.ask(host.ben, {}, { allow: false }).then(() => null, (error) => error);
  assert.ok(raised instanceof oauth.AuthorizationResponseError); // only after the library took `iss` and `state`
  assert.equal(raised.error, "access_denied");
  assert.equal(raised.cause.get("iss"), host.as.issuer);
});

check("an-answer-with-another-iss-or-none-is-not-taken", async (host) => {
  const client = host.client();
  const { back, state } = await client.ask(host.ben);
  for (const iss of ["https://thief.example", null]) {
    const changed = new URL(back);
    if (iss === null) changed.searchParams.delete("iss");
    else changed.searchParams.set("iss", iss);
    assert.throws(() => oauth.validateAuthResponse(client.as, client.named, changed, state), /iss/);
  }
});

check("a-program-on-the-person-s-machine-may-listen-at-any-port", async (host) => {
  const client = host.client("public-app");
  for (const redirect_uri of ["http://127.0.0.1:49152/back", "http://127.0.0.1:50001/back"]) {
    const asked = await client.ask(host.ben, { redirect_uri });
    assert.equal(asked.back.origin, new URL(redirect_uri).origin);
    assert.equal((await client.redeem(asked)).status, 200);
  }
});

check("refresh-gives-the-next-token", async (host) => {
  const client = host.client();
  const first = await client.authorized(host.ben);
  const second = await client.refresh(first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.notEqual(second.access_token, first.access_token);
  assert.equal((await host.read(second.access_token)).status, 200);
  const third = await client.refresh(second.refresh_token, { additionalParameters: { scope: "tasks:read" } });
  assert.equal(third.scope, "tasks:read");
  await refused(client.refresh(third.refresh_token, { additionalParameters: { scope: "tasks:write" } }), "invalid_scope");
});

check("revoking-an-access-token", async (host) => {
  const client = host.client();
  const given = await client.authorized(host.ben);
  assert.equal(await host.opens(given.access_token), 200);
  await client.revoke(given.access_token, "access_token");
  assert.equal(await host.opens(given.access_token), 401);
  await client.refresh(given.refresh_token); // what the person gave stands
});

check("revoking-a-refresh-token-ends-all-that-came-of-it", async (host) => {
  const client = host.client();
  const given = await client.authorized(host.ben);
  await client.revoke(given.refresh_token, "an-unknown-hint");
  assert.equal(await host.opens(given.access_token), 401);
  await refused(client.refresh(given.refresh_token), "invalid_grant");
  await client.revoke(given.refresh_token); // again, and of a token that there never was: as any other
  await client.revoke("at_never");
});

check("introspection-of-one-s-own", async (host) => {
  const client = host.client();
  const given = await client.authorized(host.ben);
  const said = await client.introspect(given.access_token);
  assert.equal(said.active, true);
  assert.equal(said.iss, host.as.issuer);
  assert.equal(said.client_id, client.named.client_id);
  assert.equal(said.aud, host.url("").href);
  assert.equal(said.scope, given.scope);
  assert.ok(said.exp > said.iat);
  assert.equal((await client.introspect(given.refresh_token)).active, true);
  await client.revoke(given.refresh_token);
  assert.deepEqual({ ...(await client.introspect(given.access_token)) }, { active: false });
});

for (const app of ["basic-app", "keyed-app"]) {
  check(`a-pushed-request-${app}`, async (host) => {
    const client = host.client(app);
    const { query, verifier, state } = await client.request();
    const pushed = await client.push(query);
    assert.ok(pushed.expires_in <= 60);
    const named = { client_id: client.named.client_id, request_uri: pushed.request_uri };
    const back = await host.ben.authorize(named);
    const callback = oauth.validateAuthResponse(client.as, client.named, back, state);
    const sent = await client.redeem({ callback, verifier, query: { redirect_uri: BACK } });
    const given = await oauth.processAuthorizationCodeResponse(client.as, client.named, sent);
    assert.equal((await host.read(given.access_token)).status, 200);
    const again = await host.ben.request(`/oauth/authorize?${new URLSearchParams(named)}`);
    assert.equal(again.status, 400);
    assert.equal(again.headers.get("location"), null);
  });
}
