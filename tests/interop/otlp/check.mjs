// A served manager pushes to a receiver that OpenTelemetry's own Python messages decode for.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Scene } from "../scene.mjs";

const [programs, receiverPath] = process.argv.slice(2);
const receiver = spawn("python3", [receiverPath], { stdio: ["ignore", "pipe", "inherit"] });
const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
const { value: port } = await lines.next();
const scene = new Scene(programs);
try {
  await scene.open(["alice", "bob"], ["--otlp", `http://127.0.0.1:${port}`]);
  const had = JSON.parse((await lines.next()).value);
  const span = had.spans[0];
  assert.equal(span.name, "presence.ping");
  assert.match(span.trace, /^[0-9a-f]{32}$/);
  assert.match(span["juxta.peer"], /^p-[0-9a-f]{24}$/);
  assert.match(span["juxta.correlator"], /^[0-9a-f]{16}$/);
  for (const person of scene.people) assert.ok(!JSON.stringify(had).includes(person.ready.peer_id), "pseudonyms alone");
  assert.ok(had.metrics["juxta.transaction.response"] >= 1);
  console.log(`OpenTelemetry's messages for Python decoded ${had.spans.length} spans and ${Object.keys(had.metrics).length} metrics`);
} finally {
  await scene.close();
  receiver.kill("SIGKILL");
}
