// The paper's figure 8: response times over time, and their distribution, drawn by uPlot.

import { byId, count, ms, say } from "./dom.js";

const HEIGHT = 210;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Charts {
  constructor() {
    this.pair = null;
    this.drawn = {};
    this.request = 0;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.clear(); this.draw(); });
    new ResizeObserver(() => this.resize()).observe(byId("series"));
  }

  /** Reads the points of the chosen pair, or of all, and draws them. */
  async refresh(pair) {
    const request = ++this.request;
    this.pair = pair;
    const answer = await fetch(pair ? `/api/chart/${pair}` : "/api/chart");
    if (!answer.ok || request !== this.request) return;
    if (this.drawnOf !== pair) this.clear();
    this.drawnOf = pair;
    this.data = await answer.json();
    this.draw();
  }

  draw() {
    if (!this.data) return;
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
    this.put("bars", [middles, bars.count], () => this.bars());
  }

  put(place, data, options) {
    if (!data[0].length) return;
    if (this.drawn[place]) this.drawn[place].setData(data);
    else {
      const chart = new uPlot({ width: byId(place).clientWidth || 500, height: HEIGHT, ...options() }, data, byId(place));
      this.drawn[place] = chart;
      chart.root.setAttribute("role", "img");
      chart.root.setAttribute("aria-describedby", "chart-summary");
      chart.root.setAttribute("aria-label", place === "bars" ? "Distribution of response times" : "Response times over time");
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
