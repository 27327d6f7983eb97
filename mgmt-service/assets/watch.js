// What asks for attention: alarms, objectives, peaks with their causes, what monitors said; and how whole the figures are.

import { byId, cells, count, make, ms, printable, rows, say } from "./dom.js";

const clock = (at_ms) => new Date(at_ms).toLocaleTimeString("en-GB");
const percent = (share, digits = 2) => `${Number((share * 100).toFixed(digits))} %`;

function span(seconds) {
  for (const [unit, of] of [["d", 86400], ["h", 3600], ["min", 60]]) if (seconds >= of && seconds % of === 0) return `${seconds / of} ${unit}`;
  return `${seconds} s`;
}

/** Alarms are read out as they come and go: only what is new in the list changes. */
export function showAlarms(state, nameOf) {
  const { alarms = [], alarms_in_all = 0, notifications = [] } = state;
  const list = byId("alarms-list");
  const old = new Map([...list.children].map((item) => [item.dataset.key, item]));
  alarms.forEach((alarm, index) => {
    const key = `${alarm.kind}/${alarm.peer ?? ""}/${alarm.which}`;
    let item = old.get(key);
    old.delete(key);
    if (!item) {
      item = make("li", {}, make("strong", {}), " ", make("span", {}), " ", make("time", { class: "soft" }));
      item.dataset.key = key;
    }
    const about = alarm.peer ? nameOf(alarm.peer) : alarm.kind === "objective" ? printable(alarm.which) : "this manager";
    const [who, what, since] = item.children;
    say(who, about);
    say(what, printable(alarm.text));
    say(since, `since ${clock(alarm.since_ms)}`);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  old.forEach((item) => item.remove());
  byId("alarms").classList.toggle("on", alarms.length > 0);
  say(byId("alarms-note"), alarms_in_all > alarms.length ? `and ${count(alarms_in_all - alarms.length)} older alarms` : alarms.length ? "" : "Nothing needs attention.");
  byId("said").hidden = !notifications.length;
  rows(byId("said-body"), notifications, (said) => `${said.peer}${said.text}`, (row, said) => cells(row, [nameOf(said.peer), [printable(said.text), "mono"]]));
}

export function showOutlook(state, nameOf) {
  const { objectives = [], peaks = [], peaks_in_all = 0, records = 0, cut = false } = state.outlook ?? {};
  byId("objectives").hidden = !objectives.length;
  rows(byId("objectives-body"), objectives, (objective) => objective.name, (row, objective) => {
    const windows = objective.windows.map(({ window_s, count: all, good }) => `${span(window_s)}: ${all ? percent(good / all, 3) : "–"} of ${count(all)}`);
    const burns = objective.windows.map(({ window_s, burn }) => `${span(window_s)}: ${burn.toFixed(2)} ×`);
    const some = objective.windows.some((window) => window.count);
    const verdict = !some ? ["no data", "soft"] : objective.broken ? ["broken", "bad"] : objective.windows.some((window) => window.burn > 1) ? ["burning", "warn"] : ["kept", "good"];
    cells(row, [printable(objective.name), [percent(objective.target, 4), "n"], verdict, windows.join(" · "), burns.join(" · ")]);
  });
  say(byId("objectives-note"), cut ? `Only the newest ${count(records)} records are looked at; longer windows hold more.` : "Burn: 1 × spends exactly the budget of failures. Broken: too fast in all windows.");
  rows(byId("peaks-body"), peaks, (peak) => `${peak.peer}/${peak.dest}/${peak.since_ms}`, (row, peak) => {
    cells(row, [
      [clock(peak.since_ms), "mono"], nameOf(peak.peer), nameOf(peak.dest), [ms(peak.slowest_us), "n"], [ms(peak.usual_us), "n"], [count(peak.count), "n"],
      [peak.cause, "mono"], `${peak.sentence} (${percent(peak.share, 0)} of it)`,
    ]);
  });
  byId("peaks-table").hidden = !peaks.length;
  say(byId("peaks-note"), peaks_in_all > peaks.length ? `and ${count(peaks_in_all - peaks.length)} lesser peaks` : peaks.length ? "" : "No peak in the last hour.");
}

/** Beside each figure: of how many agents it tells. */
export function showWhole(state) {
  const { reporting, expected } = state.agents;
  for (const place of document.querySelectorAll(".whole")) {
    say(place, `${count(reporting)} of ${count(expected)} agents reporting`);
    place.classList.toggle("warn", reporting < expected);
  }
}
