// Runs every check against the host whose first line comes in, and writes one JSON line for each.

import { text } from "node:stream/consumers";

import "./attacks.mjs";
import "./flows.mjs";
import "./possession.mjs";
import { Host, checks } from "./host.mjs";

const host = await Host.find(JSON.parse(await text(process.stdin)));
for (const [name, run] of checks()) {
  let why = null;
  try {
    await run(host);
  } catch (error) {
    why = `${error?.stack ?? error} ${JSON.stringify(error?.cause ?? null)}`;
  }
  console.log(JSON.stringify({ check: name, why }));
}
