// A served manager under a real Prometheus server.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Scene } from "../scene.mjs";

const [programs, rules] = process.argv.slice(2);
// One that the system gives to nobody who asks for any, so that it stays free until Prometheus listens there.
const isFree = (port) => new Promise((resolve) => {
  const server = createServer().once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
});
const freePort = async () => {
  const port = 20_000 + Math.floor(Math.random() * 12_000);
  return (await isFree(port)) ? port : freePort();
};

const scene = await new Scene(programs).open(["alice", "bob"]);
let prometheus;
try {
  let text;
  do {
    text = await (await fetch(scene.metrics)).text();
    await pause(200);
  } while (!text.includes("juxta_transaction_response_seconds_bucket"));
  const checked = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
  assert.equal(checked.status, 0, `promtool check metrics: ${checked.stdout}${checked.stderr}`);

  const [port, config] = [await freePort(), join(scene.home, "prometheus.yml")];
  writeFileSync(config, [
    "global: { scrape_interval: 1s, evaluation_interval: 1s }",
    `rule_files: [${JSON.stringify(rules)}]`,
    "scrape_configs:",
    "  - job_name: juxta",
    `    static_configs: [{ targets: [${JSON.stringify(new URL(scene.metrics).host)}] }]`,
  ].join("\n"));
  const flags = [`--config.file=${config}`, `--storage.tsdb.path=${join(scene.home, "tsdb")}`, `--web.listen-address=127.0.0.1:${port}`];
  prometheus = spawn("prometheus", [...flags, "--enable-feature=exemplar-storage", "--log.level=error"], { stdio: "inherit" });
  const ask = async (path, parameters) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(parameters)}`).catch(() => null);
    return answer?.ok ? (await answer.json()).data : null;
  };
  const until = async (what, look) => {
    for (let tries = 0; tries < 900; tries += 1) {
      const found = await look();
      if (found) return found;
      await pause(200);
    }
    throw new Error(`Prometheus never had ${what}`);
  };
  const value = async (query) => (await ask("query", { query }))?.result?.[0]?.value?.[1];
  await until("two agents", async () => (await value("juxta_mgmt_agents_expected")) === "2");
  await until("a quantile", async () => Number(await value("histogram_quantile(0.99, sum by (le) (juxta_transaction_response_seconds_bucket))")) > 0);
  const end = () => Date.now() / 1000 + 60;
  const exemplars = await until("an exemplar", async () => {
    const found = await ask("query_exemplars", { query: "juxta_transaction_response_seconds_bucket", start: end() - 600, end: end() });
    return found?.[0]?.exemplars;
  });
  assert.match(exemplars[0].labels.correlator, /^[0-9a-f]{16}$/);
  const groups = await until("the rules", async () => (await ask("rules", {}))?.groups);
  const bad = groups.flatMap((group) => group.rules).filter((rule) => rule.health === "err");
  assert.deepEqual(bad, []);
  console.log(`Prometheus scraped, found exemplar ${exemplars[0].labels.correlator} and evaluated ${groups[0].rules.length} rules`);
} finally {
  if (prometheus?.exitCode === null) {
    // It writes below the scene's home until it is gone.
    const gone = new Promise((resolve) => prometheus.once("exit", resolve));
    prometheus.kill("SIGKILL");
    await gone;
  }
  await scene.close();
}
