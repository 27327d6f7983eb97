// Managed objects of the manager and of peers: read through Jolokia, set and invoked where the manager's role may.

import { byId, make, printable, say } from "./dom.js";
import { post } from "./ask.js";

let manager = { role: "open", may_change: false };

const HINTS = {
  open: "Outside of a management group objects can only be read. Enter one with mgmt join to set and invoke.",
  reader: "The role reader may read, and sees pseudonyms; it takes the role operator to set and invoke.",
  agent: "The role agent may ask nothing of others.",
  aggregator: "The role aggregator may read; it takes the role operator to set and invoke.",
};

export function listPeers(state, nameOf) {
  if (state.manager) {
    manager = state.manager;
    say(byId("objects-hint"), HINTS[manager.role] ?? `The role ${manager.role} may set and invoke: open an object to see what. Agents write down who changed what.`);
  }
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
  const { body } = await post("/jolokia", request);
  if (body.status !== 200) {
    byId("objects-found").replaceChildren();
    return say(byId("objects-note"), printable(body.error ?? "no answer"));
  }
  const many = /[*?]/.test(mbean);
  const objects = Object.entries(many ? body.value : { [mbean]: body.value });
  const shown = objects.slice(0, 200);
  say(byId("objects-note"), `${objects.length} objects${shown.length < objects.length ? `, the first ${shown.length} shown` : ""}`);
  byId("objects-found").replaceChildren(...shown.map(([name, attributes]) => objectOf(peer, name, attributes, objects.length < 6)));
}

// One object; what can be changed there is asked for when it is opened.
function objectOf(peer, object, attributes, open) {
  const cells = new Map();
  const lines = Object.entries(attributes).map(([key, value]) => {
    const cell = make("td", {}, make("span", { class: "mono" }, printable(String(value))));
    cells.set(key, cell);
    return make("tr", {}, make("th", { scope: "row" }, printable(key)), cell);
  });
  const doing = make("div", { class: "doing" });
  // What has changed shows at once, whoever changed it.
  const again = async () => {
    const { body } = await post("/jolokia", { type: "read", mbean: object, target: { url: `juxta:${peer}` } });
    for (const [key, value] of Object.entries(body.value ?? {})) if (cells.has(key)) say(cells.get(key).firstElementChild, printable(String(value)));
  };
  const details = make("details", {}, make("summary", { class: "mono" }, printable(object)), make("table", {}, make("tbody", {}, ...lines)), doing);
  details.addEventListener("toggle", async () => {
    if (!details.open || !peer || !manager.may_change || details.dataset.asked) return;
    details.dataset.asked = "yes";
    const { ok, body } = await post("/api/describe", { peer, object });
    if (!ok) return doing.replaceChildren(make("p", { class: "hint bad" }, printable(body.error)));
    for (const attribute of body.attributes) {
      const cell = cells.get(attribute.name);
      if (cell && attribute.description) cell.title = printable(attribute.description);
      if (cell && attribute.set) cell.append(setting({ peer, object, again }, attribute, cell.firstElementChild));
    }
    doing.replaceChildren(...body.operations.map((operation) => doable({ peer, object, again }, operation)));
  });
  if (open) details.open = true;
  return details;
}

// An attribute that can be set: tried first or set at once, only if nobody else has set it since it was read.
function setting({ again, ...of }, { name, description, set }, shown) {
  let version = set.version;
  const field = entry(set.values, shown.textContent, `New value of ${name}`);
  const note = make("output", { class: "note" });
  const attempt = async (dry_run) => {
    say(note, "asking…");
    const { ok, status, body } = await post("/api/set", { ...of, attribute: name, value: field.value, version, dry_run });
    note.className = ok ? "note good" : "note bad";
    if (ok && !dry_run) version = body.version;
    say(note, ok ? `${dry_run ? "would change" : "changed"} ${told(body.before)} to ${told(body.after)}` : printable(body.error));
    if (status === 409) {
      const now = await post("/api/describe", of);
      version = now.body.attributes?.find((known) => known.name === name)?.set?.version ?? version;
      note.append("; it is shown anew, look and set again");
    }
    if (!dry_run) await again();
  };
  const form = make("form", { class: "change" }, field, make("button", { type: "submit" }, "Set"), make("button", { type: "button" }, "Try"),
    make("span", { class: "soft" }, printable(`${description}; ${set.values}`)), note);
  form.addEventListener("submit", (event) => { event.preventDefault(); attempt(false); });
  form.querySelector("[type=button]").addEventListener("click", () => attempt(true));
  return form;
}

// An operation with its arguments.
function doable({ again, ...of }, { name, description, parameters }) {
  const fields = parameters.map((parameter) => entry(parameter.values, "", parameter.name));
  const labels = parameters.map((parameter, index) => make("label", { title: printable(parameter.values) }, `${printable(parameter.name)} `, fields[index]));
  const note = make("output", { class: "note" });
  const form = make("form", { class: "change" }, make("button", { type: "submit" }, printable(name)), ...labels, make("span", { class: "soft" }, printable(description)), note);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say(note, "asking…");
    const { ok, body } = await post("/api/invoke", { ...of, operation: name, arguments: fields.map((field) => field.value) });
    note.className = ok ? "note good" : "note bad";
    say(note, ok ? `done: ${told(body.value)}` : printable(body.error));
    await again();
  });
  return form;
}

const told = (value) => (value === null || value === undefined ? "nothing" : printable(String(value)));

// The control that fits the values that are taken, as the agent says them in words; what it takes it checks itself.
function entry(values, now, label) {
  const words = values.startsWith("one of ") ? values.slice(7).split(", ") : values === "true or false" ? ["true", "false"] : null;
  if (words) {
    const select = make("select", { "aria-label": printable(label) }, ...words.map((word) => make("option", { value: word }, printable(word))));
    if (words.includes(now)) select.value = now;
    return select;
  }
  const field = make("input", { "aria-label": printable(label), autocomplete: "off", spellcheck: "false", size: "14" });
  if (/^a (whole )?number/.test(values)) field.inputMode = "decimal";
  field.value = now;
  return field;
}
