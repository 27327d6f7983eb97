// The Jolokia project's own client reads, lists, searches and is refused what a manager may not do.

import assert from "node:assert/strict";
import Jolokia from "jolokia.js";

const [programs, scenePath] = process.argv.slice(2);
const { Scene } = await import(scenePath);
const scene = await new Scene(programs).open(["alice", "bob"]);
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
  const [count, list, absent, write, exec] = await one([
    { type: "read", mbean: "juxta:type=agent", attribute: "records_batched", target: alice },
    { type: "list", path: "juxta/type=agent", target: alice },
    { type: "read", mbean: "juxta:type=nothing", target: alice },
    { type: "write", mbean: "juxta:type=agent", attribute: "gets", value: 1, target: alice },
    { type: "exec", mbean: "juxta:type=agent", operation: "stop", target: alice },
  ]);
  assert.equal(typeof count.value, "number");
  assert.equal(list.value.attr.gets.type, "long");
  assert.equal(absent.status, 404);
  assert.match(absent.error_type, /InstanceNotFoundException/);
  assert.deepEqual([write.status, exec.status], [403, 403]);

  const stranger = new Jolokia({ url: scene.jolokia, headers: { authorization: "Bearer guess" } });
  await assert.rejects(stranger.request({ type: "version" }, options).then((answer) => { if (answer.status !== 200) throw answer; }));
  console.log(`jolokia.js read ${found.value.length} records of alice, and was refused to write and to execute`);
} finally {
  scene.close();
}
