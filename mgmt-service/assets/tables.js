// The tables: pairs, peers, groups, records.

import { byId, cells, count, make, ms, rows, say } from "./dom.js";

export function showPairs(state, nameOf, chosen, choose) {
  rows(byId("pairs-body"), state.pairs, (pair) => `${pair.peer}/${pair.dest}`, (row, pair) => {
    const key = row.dataset.key;
    if (!row.cells.length) {
      const button = make("button", { type: "button" });
      button.addEventListener("click", () => choose(key));
      row.insertCell().append(button);
    }
    row.classList.toggle("chosen", key === chosen);
    const times = ["mean_us", "sigma_us", "p50_us", "p95_us", "p99_us"].map((field) => [ms(pair[field]), "n"]);
    const failed = [count(pair.failed), pair.failed ? "n bad" : "n"];
    cells(row, [nameOf(pair.peer), nameOf(pair.dest), ...times, [count(pair.count), "n"], failed]);
  });
  const more = state.pairs_in_all - state.pairs.length;
  say(byId("pairs-note"), more > 0 ? `and ${count(more)} faster pairs` : "");
}

export function showPeers(state, nameOf) {
  rows(byId("peers-body"), state.peers, (peer) => peer.peer, (row, peer) => {
    const none = peer.heard_ms_ago === null;
    const silent = none ? "not reached" : `silent for ${Math.round(peer.heard_ms_ago / 1000)} s`;
    const reporting = !peer.reporting ? [silent, "bad"] : none ? ["no record yet", "soft"] : ["yes", "good"];
    cells(row, [
      nameOf(peer.peer), peer.application || "–", reporting,
      [count(peer.records), "n"], [count(peer.failed), peer.failed ? "n bad" : "n"], [`…${peer.peer.slice(-12)}`, "mono", peer.peer],
    ]);
  });
  const more = state.peers_in_all - state.peers.length;
  say(byId("peers-note"), more > 0 ? `and ${count(more)} further peers` : "");
  rows(byId("groups-body"), state.groups, (group) => group.group, (row, group) => {
    cells(row, [[group.group, "mono"], [count(group.reporting), "n"], [count(group.agents), "n"], [count(group.records), "n"]]);
  });
}

export function showRecords(state, nameOf, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const line = (record) => [
    [record.at.slice(11, 23), "mono"], nameOf(record.peer), record.transaction, nameOf(record.dest),
    [record.status, record.status === "good" ? "good" : "bad"], [ms(record.response_us), "n"], [ms(record.hold_us), "n"],
    record.path, record.reason, [record.corr, "mono"],
  ];
  const shown = state.latest.map((record) => [record, line(record)]).filter(([, values]) => {
    const text = values.flat().join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  rows(byId("records-body"), shown, ([record]) => `${record.peer}${record.corr}`, (row, [, values]) => cells(row, values));
}
