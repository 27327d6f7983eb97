// Managed objects of the manager and of peers, read through Jolokia.

import { byId, make, printable, say } from "./dom.js";

export function listPeers(state, nameOf) {
  const select = byId("objects-peer");
  const wanted = [["", "this manager"], ...state.peers.map((peer) => [peer.peer, nameOf(peer.peer)])];
  const now = [...select.options].map((option) => `${option.value} ${option.textContent}`).join();
  if (now === wanted.map((pair) => pair.join(" ")).join()) return;
  const chosen = select.value;
  select.replaceChildren(...wanted.map(([value, text]) => make("option", { value }, text)));
  select.value = wanted.some(([value]) => value === chosen) ? chosen : "";
}

export async function read(event) {
  event.preventDefault();
  const [peer, mbean] = [byId("objects-peer").value, byId("objects-pattern").value];
  say(byId("objects-note"), "asking…");
  const request = { type: "read", mbean, ...(peer && { target: { url: `juxta:${peer}` } }) };
  let answer;
  try {
    const sent = await fetch("/jolokia", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request) });
    answer = await sent.json();
  } catch {
    answer = { status: 0, error: "the manager does not answer" };
  }
  if (answer.status !== 200) {
    byId("objects-found").replaceChildren();
    return say(byId("objects-note"), printable(answer.error ?? "no answer"));
  }
  const many = /[*?]/.test(mbean);
  const objects = Object.entries(many ? answer.value : { [mbean]: answer.value });
  const shown = objects.slice(0, 200);
  say(byId("objects-note"), `${objects.length} objects${shown.length < objects.length ? `, the first ${shown.length} shown` : ""}`);
  byId("objects-found").replaceChildren(...shown.map(([name, attributes], index) => {
    const lines = Object.entries(attributes).map(([key, value]) =>
      make("tr", {}, make("th", { scope: "row" }, printable(key)), make("td", { class: "mono" }, printable(String(value)))));
    const details = make("details", index === 0 && objects.length < 6 ? { open: "" } : {}, make("summary", { class: "mono" }, printable(name)), make("table", {}, make("tbody", {}, ...lines)));
    return details;
  }));
}
