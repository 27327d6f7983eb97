// The Jolokia project's own client reads, lists, searches, writes and executes at a real messenger in a closed management
// group; outside of one it is refused to write and to execute.

import assert from "node:assert/strict";
import Jolokia from "jolokia.js";

const [programs, scenePath] = process.argv.slice(2);
const { Scene } = await import(scenePath);
const scene = await new Scene(programs).open(["alice", "bob"], [], "operator");
const open = await new Scene(programs).open(["carol", "dave"]);
try {
  const jolokia = new Jolokia({ url: scene.jolokia, headers: { authorization: `Bearer ${scene.token}` } });
  const options = { method: "post" };
  const one = async (request) => (await jolokia.request(request, options));
  const alice = { url: `juxta:${scene.people[0].ready.peer_id}` };

  const version = await one({ type: "version" });
  assert.equal(version.value.info.product, "juxta");
  let found;
  do {
    found = await one({ type: "search", mbean: "*:dest=*,*", target: alice });
  } while (!found.value?.length);
  const record = await one({ type: "read", mbean: found.value[0], target: alice });
  assert.equal(record.value.transaction, "presence.ping");
  const settings = "juxta:type=messenger-settings";
  const [count, list, absent, write, wrong, changed, exec, missing] = await one([
    { type: "read", mbean: "juxta:type=agent", attribute: "records_batched", target: alice },
    { type: "list", path: "juxta/type=agent", target: alice },
    { type: "read", mbean: "juxta:type=nothing", target: alice },
    { type: "write", mbean: settings, attribute: "ping_period_ms", value: 700, target: alice },
    { type: "write", mbean: settings, attribute: "ping_period_ms", value: -1, target: alice },
    { type: "read", mbean: settings, attribute: "ping_period_ms", target: alice },
    { type: "exec", mbean: "juxta:type=monitors", operation: "add-counter", arguments: ["juxta:type=agent", "gets", 5], target: alice },
    { type: "exec", mbean: "juxta:type=monitors", operation: "nothing", target: alice },
  ]);
  assert.equal(typeof count.value, "number");
  assert.equal(list.value.attr.gets.type, "long");
  assert.equal(absent.status, 404);
  assert.match(absent.error_type, /InstanceNotFoundException/);
  assert.equal(list.value.attr.gets.rw, false);
  assert.deepEqual([write.status, write.value], [200, 1000]);
  assert.deepEqual([wrong.status, missing.status], [400, 404]);
  assert.equal(changed.value, 700);
  assert.deepEqual([exec.status, exec.value], [200, 1]);
  const described = await one({ type: "list", path: "juxta/type=monitors", target: alice });
  assert.equal(described.value.op["add-gauge"].args.length, 4);

  const outside = new Jolokia({ url: open.jolokia, headers: { authorization: `Bearer ${open.token}` } });
  const carol = { url: `juxta:${open.people[0].ready.peer_id}` };
  const refused = await outside.request([
    { type: "write", mbean: settings, attribute: "ping_period_ms", value: 700, target: carol },
    { type: "exec", mbean: settings, operation: "ping-now", target: carol },
  ], options);
  assert.deepEqual(refused.map((answer) => answer.status), [403, 403]);

  const stranger = new Jolokia({ url: scene.jolokia, headers: { authorization: "Bearer guess" } });
  await assert.rejects(stranger.request({ type: "version" }, options).then((answer) => { if (answer.status !== 200) throw answer; }));
  console.log(`jolokia.js read ${found.value.length} records of alice, wrote, executed, and was refused both outside of a management group`);
} finally {
  await Promise.all([scene.close(), open.close()]);
}
