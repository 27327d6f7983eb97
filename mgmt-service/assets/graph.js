// The paper's figure 3: peers on a circle, an arrow for each pair, wider for longer times.

import { ms, say } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";
const NODES_MAX = 40;
const WIDTH = 600, HEIGHT = 480, RADIUS = 26;

function shape(tag, attributes) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export class Graph {
  constructor(svg, note, choose) {
    [this.svg, this.note, this.choose] = [svg, note, choose];
    [this.edges, this.nodes] = [shape("g", {}), shape("g", { "aria-hidden": "true" })];
    svg.append(this.edges, this.nodes);
    this.known = new Map();
    svg.addEventListener("keydown", (event) => this.key(event));
  }

  // Arrow keys go from pair to pair; one of them alone is a tab stop.
  key(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const all = [...this.edges.children], at = all.indexOf(document.activeElement);
    if (step && at >= 0) {
      event.preventDefault();
      const next = all[(at + step + all.length) % all.length];
      all.forEach((edge) => edge.setAttribute("tabindex", edge === next ? "0" : "-1"));
      next.focus();
    } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
      event.preventDefault();
      this.choose(all[at].dataset.pair);
    }
  }

  show(state, nameOf, chosen) {
    const involved = new Set(state.pairs.flatMap((pair) => [pair.peer, pair.dest]));
    state.peers.forEach((peer) => involved.add(peer.peer));
    const ids = [...involved].slice(0, NODES_MAX).sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
    const place = new Map(ids.map((id, index) => [id, spot(index, ids.length)]));
    const silent = new Set(state.peers.filter((peer) => !peer.reporting).map((peer) => peer.peer));
    this.nodes.replaceChildren(...ids.map((id) => node(place.get(id), nameOf(id), silent.has(id), ids.length)));
    const pairs = state.pairs.filter((pair) => place.has(pair.peer) && place.has(pair.dest) && pair.peer !== pair.dest);
    const slowest = Math.max(1, ...pairs.map((pair) => pair.mean_us ?? 0));
    const gone = new Set(this.known.keys());
    for (const pair of pairs) {
      const key = `${pair.peer}/${pair.dest}`;
      gone.delete(key);
      const edge = this.known.get(key) ?? this.add(key);
      const fails = pair.last_us === null;
      const width = 1.2 + (ids.length > 12 ? 4 : 8) * ((pair.mean_us ?? 0) / slowest);
      draw(edge, place.get(pair.peer), place.get(pair.dest), width, ids.length);
      edge.classList.toggle("chosen", key === chosen);
      edge.classList.toggle("fails", fails);
      edge.setAttribute("aria-pressed", String(key === chosen));
      const told = `${nameOf(pair.peer)} to ${nameOf(pair.dest)}: mean ${ms(pair.mean_us)} ms, p99 ${ms(pair.p99_us)} ms, ${pair.failed} failed${fails ? ", the last one too" : ""}`;
      if (edge.getAttribute("aria-label") !== told) {
        edge.setAttribute("aria-label", told);
        say(edge.querySelector("title"), told);
      }
    }
    for (const key of gone) {
      this.known.get(key).remove();
      this.known.delete(key);
    }
    const stops = [...this.edges.children];
    if (stops.length && !stops.some((edge) => edge.getAttribute("tabindex") === "0")) stops[0].setAttribute("tabindex", "0");
    const hidden = involved.size - ids.length;
    say(this.note, hidden > 0 ? `${hidden} further peers are in the tables alone.` : involved.size ? "" : "No agent yet; start peers with --manage open.");
  }

  add(key) {
    const edge = shape("g", { class: "edge", role: "button", tabindex: "-1" });
    edge.dataset.pair = key;
    edge.append(shape("title", {}), shape("path", { class: "touch" }), shape("path", { class: "seen" }), shape("path", { class: "head" }));
    edge.addEventListener("click", () => this.choose(key));
    this.edges.append(edge);
    this.known.set(key, edge);
    return edge;
  }
}

function spot(index, of) {
  if (of === 1) return [WIDTH / 2, HEIGHT / 2];
  const angle = (2 * Math.PI * index) / of - Math.PI / 2 + (of === 2 ? Math.PI / 2 : 0);
  return [WIDTH / 2 + (WIDTH / 2 - 75) * Math.cos(angle), HEIGHT / 2 + (HEIGHT / 2 - 58) * Math.sin(angle)];
}

const radius = (of) => (of > 20 ? 10 : of > 10 ? 16 : RADIUS);

function node([x, y], name, silent, of) {
  const group = shape("g", silent ? { class: "silent" } : {});
  // A name that does not fit inside stands on the outer side.
  const inside = of <= 10 && name.length <= 6;
  const outside = y < HEIGHT / 2 - 10 ? y - radius(of) - 7 : y + radius(of) + 16;
  const label = shape("text", { x, y: inside ? y + 4.5 : outside });
  label.textContent = name.length > 18 ? `${name.slice(0, 17)}…` : name;
  group.append(shape("circle", { cx: x, cy: y, r: radius(of) }), label);
  return group;
}

// Each direction bends to its own side; the head touches the circle of who answers.
function draw(edge, [x1, y1], [x2, y2], width, of) {
  const [dx, dy] = [x2 - x1, y2 - y1], length = Math.hypot(dx, dy) || 1;
  const bend = Math.min(60, length * 0.16);
  const [cx, cy] = [(x1 + x2) / 2 - (dy / length) * bend, (y1 + y2) / 2 + (dx / length) * bend];
  const from = toward([x1, y1], [cx, cy], radius(of) + 2);
  const size = 7 + width;
  const tip = toward([x2, y2], [cx, cy], radius(of) + 2), end = toward([x2, y2], [cx, cy], radius(of) + size);
  const [ux, uy] = [(tip[0] - end[0]) / (size - 2), (tip[1] - end[1]) / (size - 2)], half = 3.5 + width * 0.75;
  const path = `M${from.map(fix)} Q${fix(cx)},${fix(cy)} ${end.map(fix)}`;
  edge.querySelector(".touch").setAttribute("d", path);
  const seen = edge.querySelector(".seen");
  seen.setAttribute("d", path);
  seen.setAttribute("stroke-width", fix(width));
  edge.querySelector(".head").setAttribute("d", `M${tip.map(fix)} L${fix(end[0] - uy * half)},${fix(end[1] + ux * half)} L${fix(end[0] + uy * half)},${fix(end[1] - ux * half)} Z`);
}

function toward([x, y], [tx, ty], by) {
  const length = Math.hypot(tx - x, ty - y) || 1;
  return [x + ((tx - x) / length) * by, y + ((ty - y) / length) * by];
}

const fix = (number) => number.toFixed(1);
