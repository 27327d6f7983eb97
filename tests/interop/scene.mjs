// A rendezvous, some messengers who are buddies, and a served manager, as child processes on loopback.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PATIENCE_MS = 60_000;

export class Scene {
  constructor(programs) {
    this.programs = programs;
    this.home = mkdtempSync(join(tmpdir(), "juxta"));
    this.children = [];
  }

  /** Starts a program; its lines on stdout are kept and waited for. */
  start(program, name, args) {
    const child = spawn(join(this.programs, program), ["--data-dir", join(this.home, name), ...args], {
      env: { ...process.env, HOME: this.home, JUXTA_NO_MDNS: "true" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.children.push(child);
    const [lines, waiting] = [[], new Set()];
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      waiting.forEach((look) => look(line));
    });
    const line = (wanted) => new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name} did not say what was waited for:\n${lines.join("\n")}`)), PATIENCE_MS);
      const look = (said) => wanted(said) && (clearTimeout(timer), waiting.delete(look), resolve(said));
      waiting.add(look);
      lines.some(look);
    });
    const event = async (wanted) => JSON.parse(await line((said) => said.startsWith("{") && wanted(JSON.parse(said))));
    const say = (command) => child.stdin.write(`${JSON.stringify(command)}\n`);
    return { child, name, line, event, say };
  }

  async open(names, more = []) {
    const loopback = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    const rendezvous = this.start("rendezvous", "rendezvous", [...loopback, "run", "--json"]);
    this.address = (await rendezvous.event((event) => event.event === "ready")).addresses[0];
    const common = [...loopback, "--rendezvous", this.address];
    this.people = [];
    for (const [index, name] of names.entries()) {
      const person = this.start("im", `im${index}`, ["--jsonl", "--name", name, "--manage", "open", "--ping-period", "1s", ...common]);
      person.ready = await person.event((event) => event.event === "ready");
      for (const other of this.people) {
        person.say({ id: `add${other.ready.peer_id}`, command: "add", invite: other.ready.invite });
        const asked = await other.event((event) => event.event === "contact-request" && event.peer_id === person.ready.peer_id);
        other.say({ id: `accept${asked.peer_id}`, command: "accept", buddy: asked.peer_id });
      }
      this.people.push(person);
    }
    this.manager = this.start("mgmt", "manager", ["serve", ...common, ...more]);
    const url = async (word) => (await this.manager.line((line) => line.startsWith(word))).match(/http:\S+/)[0];
    this.link = await url("dashboard");
    this.jolokia = await url("jolokia");
    this.metrics = await url("metrics");
    this.token = readFileSync(join(this.home, "manager", "serve-token"), "utf8");
    return this;
  }

  close() {
    this.children.forEach((child) => child.kill("SIGKILL"));
    rmSync(this.home, { recursive: true, force: true });
  }
}
