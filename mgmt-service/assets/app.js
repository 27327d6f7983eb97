// The dashboard: takes the state as it is told each second and shows it.

import { byId, count, ms, printable, say } from "./dom.js";
import { Graph } from "./graph.js";
import { Charts } from "./charts.js";
import { showPairs, showPeers, showRecords } from "./tables.js";
import { listPeers, read } from "./objects.js";
import { showAlarms, showOutlook, showWhole } from "./watch.js";
import { post } from "./ask.js";

let state = null, chosen = null, held = false, names = new Map();
const charts = new Charts();
const graph = new Graph(byId("graph"), byId("graph-note"), choose);

const nameOf = (peer) => names.get(peer) ?? `…${peer.slice(-8)}`;

function choose(pair) {
  chosen = chosen === pair ? null : pair;
  const [peer, dest] = (chosen ?? "").split("/");
  say(byId("chart-title"), chosen ? `${nameOf(peer)} asks ${nameOf(dest)}` : "Response times of all pairs");
  byId("chart-all").hidden = !chosen;
  show();
  charts.refresh(chosen);
}

function tile(id, text, style = "") {
  const element = byId(id);
  say(element, text);
  if (element.className !== style) element.className = style;
}

function showTiles() {
  const { agents, overall } = state;
  tile("t-agents", `${count(agents.reporting)} of ${count(agents.expected)}`, agents.reporting < agents.expected ? "warn" : "");
  tile("t-answered", count(overall.count));
  tile("t-failed", count(overall.failed), overall.failed ? "bad" : "");
  tile("t-lost", count(state.lost), state.lost ? "bad" : "");
  for (const name of ["p50", "p95", "p99"]) tile(`t-${name}`, `${ms(overall[`${name}_us`])} ms`);
  tile("t-mean", `${ms(overall.mean_us)} ± ${ms(overall.sigma_us)} ms`);
}

function show() {
  if (!state?.peers) return;
  names = new Map(state.peers.filter((peer) => peer.name).map((peer) => [peer.peer, printable(peer.name)]));
  showTiles();
  showAlarms(state, nameOf);
  showOutlook(state, nameOf);
  showWhole(state);
  graph.show(state, nameOf, chosen);
  showPairs(state, nameOf, chosen, choose);
  showPeers(state, nameOf);
  if (!held) showRecords(state, nameOf, byId("records-filter").value);
  listPeers(state, nameOf);
}

function follow() {
  const events = new EventSource("/api/events");
  const link = byId("link");
  let drawnAt = 0;
  events.addEventListener("state", (event) => {
    state = JSON.parse(event.data);
    say(link, "live");
    link.className = "";
    show();
    // Charts are read less often: they are larger, and nobody sees a point more.
    if (state.at_ms && state.at_ms - drawnAt >= (charts.span ? 30_000 : 2000) && !document.hidden) {
      drawnAt = state.at_ms;
      charts.refresh(chosen).catch(() => {});
    }
  });
  events.onerror = () => {
    link.className = "off";
    say(link, events.readyState === EventSource.CLOSED ? "not connected: open a new link" : "not connected, trying again");
  };
}

byId("spans").addEventListener("change", (event) => charts.look(event.target.value));
byId("chart-all").addEventListener("click", () => choose(chosen));
byId("records-filter").addEventListener("input", () => state?.latest && showRecords(state, nameOf, byId("records-filter").value));
byId("records-hold").addEventListener("click", (event) => {
  held = !held;
  event.target.setAttribute("aria-pressed", String(held));
});
byId("objects-form").addEventListener("submit", read);
byId("another").addEventListener("click", async () => {
  const { ok, body } = await post("/api/link");
  say(byId("another-link"), ok ? body.link : "no link could be made");
});
follow();
