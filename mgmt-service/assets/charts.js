// The paper's figure 8: response times over time, and their distribution, drawn by uPlot.

import { get } from "./ask.js";
import { byId, count, ms, say } from "./dom.js";

const HEIGHT = 210;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Charts {
  constructor() {
    this.pair = null;
    this.span = "";
    this.drawn = {};
    this.request = 0;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.clear(); this.draw(); });
    new ResizeObserver(() => this.resize()).observe(byId("series"));
  }

  /** Reads the points of the chosen pair, or of all, and draws them. */
  async refresh(pair) {
    const [request, span] = [++this.request, this.span];
    this.pair = pair;
    const { ok, body } = await get(`${span ? `/api/history/${span}` : "/api/chart"}${pair ? `/${pair}` : ""}`);
    if (request !== this.request) return;
    if (!ok) return say(byId("chart-summary"), body.error);
    const drawnOf = `${span} ${pair}`;
    if (this.drawnOf !== drawnOf) this.clear();
    this.drawnOf = drawnOf;
    this.data = body;
    this.draw();
  }

  /** From now on shows this span of the store (hour, day, week), or what is in memory (nothing). */
  look(span) {
    this.span = span;
    return this.refresh(this.pair);
  }

  draw() {
    if (!this.data) return;
    if (this.data.points) return this.drawHistory();
    const { at_ms, response_us, bars, slower, summary } = this.data;
    const failed = summary.failed ? `, ${count(summary.failed)} failed` : "";
    const told = summary.count
      ? `mean ${ms(summary.mean_us)} ± ${ms(summary.sigma_us)} ms · p50 ${ms(summary.p50_us)} · p95 ${ms(summary.p95_us)} · p99 ${ms(summary.p99_us)} ms · ${count(summary.count)} answered${failed}`
      : `no answer yet${failed}`;
    say(byId("chart-summary"), told);
    say(byId("bars-caption"), `How often which time occurred${slower ? `; ${count(slower)} took longer than shown` : ""}`);
    const known = response_us.filter((us) => us !== null);
    const top = Math.max(0.001, ...known.map((us) => us / 1000));
    const times = at_ms.map((at) => at / 1000);
    const missing = response_us.map((us) => (us === null ? top * 1.02 : null));
    this.put("series", [times, response_us.map((us) => (us === null ? null : us / 1000)), missing], () => this.series());
    const middles = bars.from_us.map((from) => (from + bars.width_us / 2) / 1000);
    say(byId("series-caption"), "Over time; marks at the upper edge did not come back");
    this.put("bars", [middles, bars.count], () => this.bars());
  }

  // The store's minutes and hours: quantiles over time, and how many there were. Where nothing was, no line leads.
  drawHistory() {
    const { points, width_ms, since_ms, until_ms } = this.data;
    const [first, last] = [Math.floor(since_ms / width_ms), Math.floor(until_ms / width_ms)];
    const known = new Map(points.map(([at_ms, ...moment]) => [Math.floor(at_ms / width_ms), moment]));
    const columns = [[], [], [], [], [], []];
    let [all, failures] = [0, 0];
    for (let at = first; at <= last; at += 1) {
      const [ended, failed, , p50, p95, p99] = known.get(at) ?? [0, 0, null, null, null, null];
      [all, failures] = [all + ended, failures + failed];
      [(at * width_ms) / 1000, ...[p50, p95, p99].map((us) => (us === null ? null : us / 1000)), ended - failed, failed].forEach((value, index) => columns[index].push(value));
    }
    const width = width_ms >= 3_600_000 ? "an hour" : width_ms === 60_000 ? "a minute" : `${width_ms / 60_000} minutes`;
    say(byId("chart-summary"), all ? `${count(all)} ended, ${count(failures)} of them unanswered; a point is ${width}` : "the store has nothing of this time");
    say(byId("series-caption"), "Quantiles over time");
    say(byId("bars-caption"), "How many ended; those that did not come back stand on top");
    const [times, p50, p95, p99, good, failed] = columns;
    this.put("series", [times, p50, p95, p99], () => this.history());
    this.put("bars", [times, good.map((some, index) => some + failed[index]), good], () => this.counts());
  }

  put(place, data, options) {
    if (!data[0].length) return;
    if (this.drawn[place]) this.drawn[place].setData(data);
    else {
      const chart = new uPlot({ width: byId(place).clientWidth || 500, height: HEIGHT, ...options() }, data, byId(place));
      this.drawn[place] = chart;
      chart.root.setAttribute("role", "img");
      chart.root.setAttribute("aria-describedby", "chart-summary");
      chart.root.setAttribute("aria-label", place === "series" ? "Response times over time" : this.span ? "How many ended over time" : "Distribution of response times");
    }
  }

  axes(x, y) {
    const axis = (label) => ({ label, stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line"), width: 1 }, labelSize: 18, size: 42 });
    return [{ ...axis(x), size: 34 }, axis(y)];
  }

  series() {
    const [x, y] = this.axes("", "ms");
    const clock = (at) => new Date(at * 1000).toLocaleTimeString("en-GB");
    // Over all pairs neighbours in time are of different pairs, so a line between them would say nothing.
    const line = this.pair ? {} : { paths: () => null };
    return {
      axes: [{ ...x, space: 80, values: (_, splits) => splits.map(clock) }, y],
      scales: { y: { range: (_, low, high) => [0, (high ?? 1) * 1.05 || 1] } },
      series: [
        { label: "at", value: (_, at) => (at === null ? "–" : clock(at)) },
        { label: "response ms", stroke: color("--accent"), width: 1, ...line, points: { show: true, size: 4, fill: color("--accent") }, spanGaps: false },
        { label: "did not come back", stroke: color("--bad"), paths: () => null, points: { show: true, size: 6, fill: color("--bad") }, value: (_, at) => (at === null ? "–" : "yes") },
      ],
    };
  }

  moments() {
    const day = this.span === "week" ? { day: "2-digit", month: "2-digit" } : {};
    return (at) => new Date(at * 1000).toLocaleString("en-GB", { ...day, hour: "2-digit", minute: "2-digit" });
  }

  history() {
    const [x, y] = this.axes("", "ms"), clock = this.moments();
    const line = (label, style) => ({ label: `${label} ms`, stroke: color(style), width: 1.5, points: { show: (_, __, from, to) => to - from < 90, size: 4, fill: color(style) } });
    return {
      axes: [{ ...x, space: 90, values: (_, splits) => splits.map(clock) }, y],
      scales: { y: { range: (_, low, high) => [0, (high ?? 1) * 1.05 || 1] } },
      series: [{ label: "at", value: (_, at) => (at === null ? "–" : clock(at)) }, line("p50", "--good"), line("p95", "--warn"), line("p99", "--bad")],
    };
  }

  counts() {
    const [x, y] = this.axes("", "number"), clock = this.moments();
    const bars = (label, stroke, fill) => ({ label, stroke: color(stroke), fill: color(fill), width: 1, paths: uPlot.paths.bars({ size: [0.9, 40] }), points: { show: false } });
    return {
      axes: [{ ...x, space: 90, values: (_, splits) => splits.map(clock) }, y],
      scales: { y: { range: (_, low, high) => [0, (high ?? 1) * 1.05 || 1] } },
      series: [{ label: "at", value: (_, at) => (at === null ? "–" : clock(at)) }, bars("all", "--bad", "--bad"), bars("answered", "--accent", "--bar")],
    };
  }

  bars() {
    const range = () => {
      const { from_us, width_us } = this.data.bars;
      return [from_us[0] / 1000, (from_us.at(-1) + width_us) / 1000];
    };
    return {
      axes: this.axes("", "number"),
      scales: { x: { time: false, range }, y: { range: (_, low, high) => [0, (high ?? 1) * 1.05 || 1] } },
      series: [
        { label: "ms", value: (_, at) => (at === null ? "–" : at.toFixed(3)) },
        { label: "number", stroke: color("--accent"), fill: color("--bar"), width: 1, paths: uPlot.paths.bars({ size: [0.95, 60] }), points: { show: false } },
      ],
      hooks: { draw: [(chart) => this.quantiles(chart)] },
    };
  }

  // Where the quantiles lie, as lines with their names.
  quantiles(chart) {
    const { ctx, bbox } = chart, { summary } = this.data;
    ctx.save();
    ctx.textAlign = "left";
    ctx.font = `${11 * devicePixelRatio}px sans-serif`;
    [["p50", "--good"], ["p95", "--warn"], ["p99", "--bad"]].forEach(([name, style], index) => {
      const us = summary[`${name}_us`];
      if (us === null) return;
      const x = Math.round(chart.valToPos(us / 1000, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) return;
      ctx.strokeStyle = ctx.fillStyle = color(style);
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.fillText(name, x + 4 * devicePixelRatio, bbox.top + (12 + 13 * index) * devicePixelRatio);
    });
    ctx.restore();
  }

  resize() {
    for (const [place, chart] of Object.entries(this.drawn)) chart.setSize({ width: byId(place).clientWidth, height: HEIGHT });
  }

  clear() {
    Object.values(this.drawn).forEach((chart) => chart.destroy());
    this.drawn = {};
  }
}
