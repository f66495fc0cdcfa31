// Verifies what comes in on each line, and writes a line: what was in it, and a message signed with the same secret.

import { createInterface } from "node:readline/promises";
import { Webhook } from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  const webhook = new Webhook(secret);
  let verified = null;
  let refused = null;
  try {
    verified = webhook.verify(body, headers);
  } catch (error) {
    refused = error.message;
  }
  const id = "msg_from-node";
  const at = new Date();
  const said = JSON.stringify({ said: "¡Olé! 東京 \u{1f600}" });
  const signed = {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
    "webhook-signature": webhook.sign(id, at, said),
  };
  console.log(JSON.stringify({ verified, refused, headers: signed, body: said }));
}
