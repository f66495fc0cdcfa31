// What somebody does who wants more than they were given.

import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

import { BACK, LOCAL, check, refused } from "./host.mjs";

const EIGHT = Array.from({ length: 8 });
const codeOf = (client, sent) => oauth.processAuthorizationCodeResponse(client.as, client.named, sent);

/** The statuses of eight requests at once, sorted, and the one body that was a success. */
async function eightAtOnce(send) {
  const answers = await Promise.all(EIGHT.map(send));
  const bodies = await Promise.all(answers.map((each) => each.json()));
  const given = bodies.filter((_, at) => answers[at].status === 200);
  const refusals = bodies.filter((_, at) => answers[at].status !== 200);
  assert.equal(given.length, 1, JSON.stringify(answers.map((each) => each.status)));
  assert.ok(answers.every((each) => each.status === 200 || each.status === 400));
  assert.ok(refusals.every((each) => each.error === "invalid_grant"));
  return given[0];
}

check("pkce-is-required", async (host) => {
  const client = host.client();
  for (const changes of [
    { code_challenge: undefined, code_challenge_method: undefined },
    { code_challenge: undefined },
    { code_challenge_method: undefined }, // which would mean plain
    { code_challenge: oauth.generateRandomCodeVerifier(), code_challenge_method: "plain" },
    { code_challenge: "short" },
  ]) {
    const raised = await client.ask(host.ben, changes).then(() => null, (error) => error);
    assert.ok(raised instanceof oauth.AuthorizationResponseError, JSON.stringify(changes));
    assert.equal(raised.error, "invalid_request");
  }
});

check("a-wrong-verifier-or-none-is-refused", async (host) => {
  const client = host.client();
  const asked = await client.ask(host.ben);
  for (const verifier of [oauth.generateRandomCodeVerifier(), asked.query.code_challenge]) {
    await refused(client.redeem(asked, { verifier }).then((sent) => codeOf(client, sent)), "invalid_grant");
  }
  const without = await client.redeem(asked, { verifier: oauth.nopkce });
  assert.equal(without.status, 400);
  assert.equal((await client.redeem(asked)).status, 200); // none of it used the code up
});

check("a-code-s-replay-revokes-what-it-gave", async (host) => {
  const client = host.client();
  const asked = await client.ask(host.ben);
  const given = await codeOf(client, await client.redeem(asked));
  assert.equal(await host.opens(given.access_token), 200);
  await refused(client.redeem(asked).then((sent) => codeOf(client, sent)), "invalid_grant");
  assert.equal(await host.opens(given.access_token), 401);
  await refused(client.refresh(given.refresh_token), "invalid_grant");
});

check("eight-redemptions-of-one-code-at-once", async (host) => {
  const client = host.client();
  const asked = await client.ask(host.ben);
  const given = await eightAtOnce(() => client.redeem(asked));
  assert.equal(await host.opens(given.access_token), 401); // the seven others were replays
  await refused(client.refresh(given.refresh_token), "invalid_grant");
});

check("a-refresh-token-s-reuse-revokes-the-family", async (host) => {
  const client = host.client();
  const first = await client.authorized(host.ben);
  const second = await client.refresh(first.refresh_token);
  assert.equal(await host.opens(second.access_token), 200);
  await refused(client.refresh(first.refresh_token), "invalid_grant");
  assert.equal(await host.opens(second.access_token), 401);
  await refused(client.refresh(second.refresh_token), "invalid_grant");
});

check("eight-refreshes-at-once", async (host) => {
  const client = host.client();
  const first = await client.authorized(host.ben);
  const given = await eightAtOnce(() => client.sendRefresh(first.refresh_token));
  // Who of the eight is the thief can't be known, so the family ends, and the person is asked again.
  assert.equal(await host.opens(given.access_token), 401);
  await refused(client.refresh(given.refresh_token), "invalid_grant");
});

check("nobody-is-sent-to-another-redirect-uri", async (host) => {
  const client = host.client();
  for (const redirect_uri of [
    "https://thief.example/back", `${BACK}/`, `${BACK}?x=1`, `${BACK}#x`, "https://vendor.example/back/../thief",
    "https://vendor.example@thief.example/back", "https://vendor.example.thief.example/back", "HTTPS://vendor.example/back",
    "http://vendor.example/back", "http://127.0.0.1:1/other", "http://127.0.0.1:99999/back", "http://localhost:5000/back",
    "http://127.0.0.1@thief.example/back", "javascript:alert(1)", "//thief.example/back", "/back", "\\\\thief.example",
    undefined,
  ]) {
    const { query } = await client.request({ redirect_uri });
    const answer = await host.ben.request(`/oauth/authorize?${new URLSearchParams(query)}`);
    assert.equal(answer.status, 400, redirect_uri);
    assert.equal(answer.headers.get("location"), null);
    assert.ok(!(await answer.text()).includes("thief"));
  }
});

check("a-code-goes-with-its-redirect-uri", async (host) => {
  const client = host.client();
  const asked = await client.ask(host.ben);
  for (const redirect of ["http://127.0.0.1/back", "https://thief.example/back"]) {
    await refused(client.redeem(asked, { redirect }).then((sent) => codeOf(client, sent)), "invalid_grant");
  }
});

check("a-code-is-its-own-client-s", async (host) => {
  const asked = await host.client().ask(host.ben);
  for (const other of [host.client("posting-app"), host.client("basic-app", "South"), host.client("public-app")]) {
    await refused(other.redeem(asked).then((sent) => codeOf(other, sent)), "invalid_grant");
  }
  assert.equal((await host.client().redeem(asked)).status, 200);
});

check("a-refresh-token-is-its-own-client-s", async (host) => {
  const given = await host.client().authorized(host.ben);
  for (const other of [host.client("posting-app"), host.client("basic-app", "South"), host.client("public-app")]) {
    await refused(other.refresh(given.refresh_token), "invalid_grant");
  }
  await host.client().refresh(given.refresh_token);
});

check("two-client-authentications-at-once", async (host) => {
  const { client_id, client_secret } = host.facts.apps.North["basic-app"];
  const basic = `Basic ${btoa(`${client_id}:${client_secret}`)}`;
  const headers = { authorization: basic };
  for (const more of [{ client_secret }, { client_assertion: "a.b.c" }, { client_id: "c_other" }]) {
    const body = new URLSearchParams({ grant_type: "client_credentials", client_id, ...more });
    for (const url of [host.as.token_endpoint, host.as.pushed_authorization_request_endpoint]) {
      const answer = await fetch(url, { method: "POST", headers, body });
      assert.equal(answer.status, 400, JSON.stringify(more));
      assert.equal((await answer.json()).error, "invalid_request");
    }
  }
});

check("a-client-proves-who-it-is-in-its-own-way-only", async (host) => {
  const { client_id, client_secret } = host.facts.apps.North["keyed-app"];
  const grant_type = "client_credentials";
  for (const form of [{ client_id, client_secret, grant_type }, { client_id, grant_type }]) {
    const answer = await fetch(host.as.token_endpoint, { method: "POST", body: new URLSearchParams(form) });
    assert.equal(answer.status, 401);
    assert.equal((await answer.json()).error, "invalid_client");
  }
  const raised = await host.client("public-app").asItself().then(() => null, (error) => error);
  assert.ok(raised instanceof oauth.ResponseBodyError || raised instanceof oauth.WWWAuthenticateChallengeError);
});

check("an-assertion-counts-once", async (host) => {
  const client = host.client("keyed-app");
  let sent;
  const keeping = (url, options) => {
    sent = options;
    return fetch(url, options);
  };
  await client.asItself({}, { [oauth.customFetch]: keeping });
  const again = await fetch(host.as.token_endpoint, sent);
  assert.equal(again.status, 401);
  assert.equal((await again.json()).error, "invalid_client");
});

check("introspection-by-another-client", async (host) => {
  const given = await host.client().authorized(host.ben);
  for (const other of [host.client("posting-app"), host.client("basic-app", "South"), host.client("keyed-app")]) {
    for (const token of [given.access_token, given.refresh_token]) {
      assert.deepEqual({ ...(await other.introspect(token)) }, { active: false });
    }
  }
});

check("revocation-by-another-client", async (host) => {
  const given = await host.client().authorized(host.ben);
  for (const other of [host.client("posting-app"), host.client("basic-app", "South"), host.client("public-app")]) {
    await other.revoke(given.access_token);
    await other.revoke(given.refresh_token);
  }
  assert.equal(await host.opens(given.access_token), 200);
  await host.client().refresh(given.refresh_token);
});

check("one-organisation-s-token-at-another-s-resources", async (host) => {
  const { tasks } = host.facts;
  const north = (await host.client().asItself()).access_token;
  const south = (await host.client("basic-app", "South").asItself()).access_token;
  for (const [token, own, other] of [[north, "North", "South"], [south, "South", "North"]]) {
    assert.equal(await host.opens(token, `/tasks/${tasks[own]}`), 200);
    assert.equal(await host.opens(token, `/tasks/${tasks[other]}`), 404);
    const listed = await (await host.read(token)).json();
    assert.deepEqual(listed.items.map((each) => each.id), [tasks[own]]);
  }
});

check("a-person-of-another-organisation-can-t-authorize", async (host) => {
  const { query } = await host.client().request();
  const answer = await host.zoe.request(`/oauth/authorize?${new URLSearchParams(query)}`);
  assert.equal(answer.status, 400);
  assert.equal(answer.headers.get("location"), null);
});

check("codes-and-refresh-tokens-open-nothing-at-the-api", async (host) => {
  const client = host.client();
  const asked = await client.ask(host.ben);
  assert.equal(await host.opens(asked.callback.get("code")), 401);
  const given = await codeOf(client, await client.redeem(asked));
  assert.equal(await host.opens(given.refresh_token), 401);
  const inAddress = await fetch(`${host.url("/tasks")}?access_token=${given.access_token}`);
  assert.ok(inAddress.status === 400 || inAddress.status === 401);
});

check("no-other-grant-or-response-type", async (host) => {
  const client = host.client();
  for (const response_type of ["token", "id_token", "code token", "none"]) {
    const { query } = await client.request({ response_type });
    const back = await host.ben.authorize(query);
    assert.equal(back.searchParams.get("error"), "unsupported_response_type");
    assert.equal(back.hash, "");
  }
  for (const grant of ["password", "urn:ietf:params:oauth:grant-type:jwt-bearer"]) {
    const { as, named, authentication } = client;
    const sent = oauth.genericTokenEndpointRequest(as, named, authentication, grant, { username: "a", password: "b" }, LOCAL);
    const answer = sent.then((each) => oauth.processGenericTokenEndpointResponse(as, named, each));
    await refused(answer, "unsupported_grant_type");
  }
});

check("a-request-object-is-not-taken", async (host) => {
  const { query } = await host.client().request({ request: "a.b.c" });
  assert.equal((await host.ben.authorize(query)).searchParams.get("error"), "request_not_supported");
});
