// A rendezvous, some messengers who are buddies, and a served manager, as child processes on loopback.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// Only a failure lasts so long: the machine may stand still for some seconds, several times.
const PATIENCE_MS = 180_000;

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

  /** Everybody is there. With a `role` all of them are in a management group, the served manager in that role. */
  async open(names, more = [], role = null, period = "1s") {
    const loopback = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    const rendezvous = this.start("rendezvous", "rendezvous", [...loopback, "run", "--json"]);
    this.address = (await rendezvous.event((event) => event.event === "ready")).addresses[0];
    this.common = [...loopback, "--rendezvous", this.address];
    if (role) await this.ended(this.start("mgmt", "boss", ["init", ...this.common]));
    this.people = [];
    for (const [index, name] of names.entries()) {
      const invited = role && (await this.invite("agent"));
      const person = this.start("im", `im${index}`, ["--jsonl", "--name", name, "--manage", invited?.ticket ?? "open", "--ping-period", period, ...this.common]);
      person.ready = await person.event((event) => event.event === "ready");
      if (invited) await this.ended(invited);
      for (const other of this.people) {
        person.say({ id: `add${other.ready.peer_id}`, command: "add", invite: other.ready.invite });
        const asked = await other.event((event) => event.event === "contact-request" && event.peer_id === person.ready.peer_id);
        other.say({ id: `accept${asked.peer_id}`, command: "accept", buddy: asked.peer_id });
      }
      this.people.push(person);
    }
    if (role) {
      const invited = await this.invite(role);
      await this.ended(this.start("mgmt", "manager", ["join", invited.ticket, ...this.common]));
      await this.ended(invited);
    }
    await this.serve(more);
    return this;
  }

  /** Somebody who lets one peer in as `role`, and waits for it. */
  async invite(role) {
    const inviting = this.start("mgmt", "boss", ["invite", role, ...this.common]);
    inviting.ticket = await inviting.line((line) => line.startsWith("juxta-group:"));
    return inviting;
  }

  ended({ child, name }) {
    const judge = (code) => { if (code !== 0) throw new Error(`${name} ended with ${code}`); };
    return child.exitCode === null ? new Promise((resolve) => child.once("exit", resolve)).then(judge) : judge(child.exitCode);
  }

  /** Starts the served manager, anew when it has run before. */
  async serve(more = []) {
    this.manager = this.start("mgmt", "manager", ["serve", ...this.common, ...more]);
    const url = async (word) => (await this.manager.line((line) => line.startsWith(word))).match(/http:\S+/)[0];
    this.link = await url("dashboard");
    this.jolokia = await url("jolokia");
    this.metrics = await url("metrics");
    this.token = readFileSync(join(this.home, "manager", "serve-token"), "utf8");
  }

  /** Ends everybody; what they write to is removed when they write no more. */
  async close() {
    const running = this.children.filter((child) => child.exitCode === null && child.signalCode === null);
    const gone = running.map((child) => new Promise((resolve) => child.once("exit", resolve)));
    running.forEach((child) => child.kill("SIGKILL"));
    await Promise.all(gone);
    rmSync(this.home, { recursive: true, force: true });
  }
}
