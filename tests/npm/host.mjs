// What the checks share: the host as a client's vendor sees it, and a person's browser.

import assert from "node:assert/strict";
import * as jose from "jose";
import * as oauth from "oauth4webapi";

export const LOCAL = { [oauth.allowInsecureRequests]: true }; // the host is on this machine, without TLS
export const BACK = "https://vendor.example/back";

/** A cookie jar, and forms that are sent as a browser sends them. */
class Browser {
  constructor(issuer) {
    this.issuer = issuer;
    this.cookies = new Map();
  }

  async request(path, fields) {
    const headers = { cookie: [...this.cookies].map((pair) => pair.join("=")).join("; ") };
    if (fields) Object.assign(headers, { origin: this.issuer, "sec-fetch-site": "same-origin" });
    const body = fields && new URLSearchParams(fields);
    const answer = await fetch(new URL(path, this.issuer), {
      method: fields ? "POST" : "GET", headers, body, redirect: "manual",
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0].split(/=(.*)/);
      this.cookies.set(name, value);
    }
    return answer;
  }

  async signIn(link) {
    const page = await (await this.request(`/sign-in?link=${encodeURIComponent(link)}`)).text();
    const answer = await this.request("/sign-in", { link: attribute(input(page, "link"), "value") });
    assert.equal(answer.status, 303);
    return this;
  }

  /** Asks as the app would, and answers as the person would: the address that the browser is sent to. */
  async authorize(query, { allow = true, untick = [] } = {}) {
    const answer = await this.request(`/oauth/authorize?${new URLSearchParams(query)}`);
    if (answer.status === 303) return new URL(answer.headers.get("location"));
    const page = await answer.text();
    assert.equal(answer.status, 200, page);
    const form = page.slice(page.indexOf('<form method="post" action="/oauth/authorize"'));
    const ticked = [...form.matchAll(/<input type="checkbox"[^>]*>/g)].map(([tag]) => attribute(tag, "name"));
    const fields = { form: attribute(input(form, "form"), "value"), decision: allow ? "allow" : "deny" };
    for (const name of ticked) if (!untick.includes(name.replace("scope:", ""))) fields[name] = "yes";
    const sent = await this.request("/oauth/authorize", fields);
    assert.equal(sent.status, 303, await sent.text());
    return new URL(sent.headers.get("location"));
  }
}

const input = (page, name) => page.match(new RegExp(`<input[^>]*name="${name}"[^>]*>`))[0];
const attribute = (tag, name) => tag.match(new RegExp(` ${name}="([^"]*)"`))[1];

/** An app's client: what the library needs to know of it, and how it proves who it is. */
export class Client {
  constructor(host, named, authentication) {
    Object.assign(this, { host, named: { client_id: named }, authentication });
  }

  get as() {
    return this.host.as;
  }

  async asItself(parameters = {}, options = {}) {
    const { as, named, authentication } = this;
    const sent = await oauth.clientCredentialsGrantRequest(as, named, authentication, parameters, { ...LOCAL, ...options });
    return oauth.processClientCredentialsResponse(as, named, sent);
  }

  /** An authorization request with PKCE; `changes` of its parameters, undefined takes one away. */
  async request(changes = {}) {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const usual = {
      client_id: this.named.client_id, response_type: "code", redirect_uri: BACK, state, scope: "tasks:read people:name",
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    };
    const all = Object.entries({ ...usual, ...changes }).filter(([, value]) => value !== undefined);
    return { query: Object.fromEntries(all), verifier, state };
  }

  /** Sends a person there, and checks what they come back with, `iss` and `state` among it. */
  async ask(browser, changes = {}, answer = {}) {
    const asked = await this.request(changes);
    const back = await browser.authorize(asked.query, answer);
    const callback = oauth.validateAuthResponse(this.as, this.named, back, asked.state);
    return { ...asked, callback, back };
  }

  redeem(asked, { verifier = asked.verifier, redirect = asked.query.redirect_uri, ...options } = {}) {
    const { as, named, authentication } = this;
    return oauth.authorizationCodeGrantRequest(as, named, authentication, asked.callback, redirect, verifier, {
      ...LOCAL, ...options,
    });
  }

  async authorized(browser, changes = {}, options = {}) {
    const sent = await this.redeem(await this.ask(browser, changes), options);
    return oauth.processAuthorizationCodeResponse(this.as, this.named, sent);
  }

  sendRefresh(token, options = {}) {
    const { as, named, authentication } = this;
    return oauth.refreshTokenGrantRequest(as, named, authentication, token, { ...LOCAL, ...options });
  }

  async refresh(token, options = {}) {
    return oauth.processRefreshTokenResponse(this.as, this.named, await this.sendRefresh(token, options));
  }

  async revoke(token, hint) {
    const additionalParameters = hint ? { token_type_hint: hint } : {};
    const { as, named, authentication } = this;
    const sent = await oauth.revocationRequest(as, named, authentication, token, { ...LOCAL, additionalParameters });
    return oauth.processRevocationResponse(sent);
  }

  async introspect(token) {
    const { as, named, authentication } = this;
    const sent = await oauth.introspectionRequest(as, named, authentication, token, LOCAL);
    return oauth.processIntrospectionResponse(as, named, sent);
  }

  async push(parameters, options = {}) {
    const { as, named, authentication } = this;
    const all = { ...LOCAL, ...options };
    const sent = await oauth.pushedAuthorizationRequest(as, named, authentication, parameters, all);
    return oauth.processPushedAuthorizationResponse(as, named, sent);
  }
}

export class Host {
  /** `facts`: what the host wrote when it started. */
  static async find(facts) {
    const host = new Host();
    host.facts = facts;
    host.issuer = new URL(facts.issuer);
    const found = await oauth.discoveryRequest(host.issuer, { algorithm: "oauth2", ...LOCAL });
    host.as = await oauth.processDiscoveryResponse(host.issuer, found);
    host.key = { key: await jose.importJWK(facts.key, "ES256"), kid: facts.key.kid };
    for (const name of ["Ben", "Dee", "Zoe"]) {
      host[name.toLowerCase()] = await new Browser(facts.issuer).signIn(facts.links[name]);
    }
    return host;
  }

  client(app = "basic-app", organisation = "North") {
    const { client_id, client_secret } = this.facts.apps[organisation][app];
    const ways = {
      "posting-app": () => oauth.ClientSecretPost(client_secret),
      "keyed-app": () => oauth.PrivateKeyJwt(this.key),
      "public-app": () => oauth.None(),
    };
    return new Client(this, client_id, (ways[app] ?? (() => oauth.ClientSecretBasic(client_secret)))());
  }

  /** The client that brings its own address. */
  described() {
    return new Client(this, `${this.facts.vendor}/client.json`, oauth.PrivateKeyJwt(this.key));
  }

  url(path) {
    return new URL(`/api/v1${path}`, this.issuer);
  }

  /** Reads from the API; the library raises what a WWW-Authenticate header challenges. */
  read(token, path = "/tasks", options = {}) {
    return oauth.protectedResourceRequest(token, "GET", this.url(path), new Headers(), null, { ...LOCAL, ...options });
  }

  async opens(token, path = "/tasks") {
    const answer = await fetch(this.url(path), { headers: { authorization: `Bearer ${token}` } });
    return answer.status;
  }
}

/** The OAuth error that a promise fails with. */
export async function refused(promise, error) {
  const got = await promise.then(() => null, (raised) => raised);
  assert.ok(got instanceof oauth.ResponseBodyError, `it is not refused: ${got}`);
  assert.equal(got.error, error);
  assert.ok(got.status >= 400 && got.status < 500);
  return got;
}

/** The parameters of the challenges that a request to the API is answered with. */
export async function challenged(promise, scheme) {
  const got = await promise.then(() => null, (raised) => raised);
  assert.ok(got instanceof oauth.WWWAuthenticateChallengeError, `there is no challenge: ${got}`);
  const found = got.cause.find((each) => each.scheme === scheme);
  assert.ok(found, `no challenge of ${scheme}`);
  return { status: got.status, ...found.parameters };
}

const all = new Map();
export const check = (name, run) => all.set(name, run);
export const checks = () => all;
