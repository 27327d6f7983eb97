// Opens the dashboard of a real scene in headless Chromium, uses it as an operator would, and takes its pictures.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const OBJECTIVES = `
[[objective]]
name = "answers come"
availability = 0.999
windows = ["1m", "5m"]

[[objective]]
name = "answers are quick"
latency_ms = 250
share = 0.9
windows = ["5m", "1h"]
`;

// Only a failure lasts so long.
const PATIENCE_MS = 180_000;

const [programs, out, browserPath, scenePath, fifth] = process.argv.slice(2);
const { Scene } = await import(scenePath);
const scene = new Scene(programs);
const objectives = join(scene.home, "objectives.toml");
writeFileSync(objectives, OBJECTIVES);
const serving = ["--slo", objectives];
await scene.open(["alice", "bob", "carol", "dave", fifth], serving, "operator");
const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
const problems = [];
const expect = (holds, what) => { if (!holds) problems.push(what); };
try {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, deviceScaleFactor: 1 });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on("dialog", (dialog) => { problems.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  page.on("pageerror", (error) => problems.push(`error ${error}`));
  // A wish that is refused is told in the page; the browser tells of its status as well.
  page.on("console", (message) => message.type() === "error" && !/status of 4\d\d/.test(message.text()) && problems.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(scene.link).origin)) problems.push(`foreign request ${request.url()}`);
  });
  const shown = (selector, count) => page.waitForFunction(([where, least]) => document.querySelectorAll(where).length >= least, [selector, count], { timeout: PATIENCE_MS });
  const says = (selector, text) => page.waitForFunction(([where, words]) => document.querySelector(where)?.textContent.includes(words), [selector, text], { timeout: PATIENCE_MS });
  await page.goto(scene.link);
  await shown("#graph .edge", 20);
  await shown("#records-body tr", 61);
  await shown("#objectives-body tr", 2);

  // An operator tries, is told what is wrong, and sets; then adds a monitor, which says something.
  await page.selectOption("#objects-peer", { label: "alice" });
  await page.fill("#objects-pattern", "juxta:type=m*");
  await page.click("#objects-form button");
  const object = (name) => page.locator("#objects-found details", { has: page.locator("summary", { hasText: name }) });
  const settings = object("messenger-settings");
  const field = settings.getByLabel("New value of ping_period_ms");
  const note = settings.locator("td .note");
  await field.fill("0");
  await settings.getByRole("button", { name: "Try" }).click();
  await note.getByText("a whole number from").waitFor();
  await field.fill("750");
  await settings.getByRole("button", { name: "Try" }).click();
  await note.getByText("would change 1000 to 750").waitFor();
  await field.press("Enter");
  await note.getByText("changed 1000 to 750").waitFor();
  const adding = object("juxta:type=monitors").locator("form", { has: page.getByRole("button", { name: "add-counter" }) });
  for (const [label, value] of [["object", "juxta:type=agent"], ["attribute", "gets"], ["every", "2"]]) await adding.getByLabel(label, { exact: true }).fill(value);
  await adding.getByRole("button").click();
  await adding.getByText("done: 1").waitFor();
  await says("#alarms-list", "juxta:type=agent gets");
  const cut = await settings.locator("td").evaluateAll((cells) => cells.some((cell) => cell.scrollWidth > cell.clientWidth + 1));
  expect(!cut, "an attribute's control is cut off");
  await page.locator("#objects").screenshot({ path: join(out, "objects.png") });

  // Somebody stands still for a while, so that there is a peak; somebody goes for good.
  const still = scene.people[1].child;
  still.kill("SIGSTOP");
  await page.waitForTimeout(1500);
  still.kill("SIGCONT");
  scene.people[3].child.kill("SIGKILL");
  await shown("#graph .edge.fails", 3);
  await shown("#peaks-body tr", 1);
  await says("#alarms-list", "answers come");
  await shown(".uplot", 2);
  expect(!(await page.locator("img").count()), "a peer's name became an element");
  expect((await page.locator("#alarms [aria-live=polite]").count()) === 1, "alarms are not read out");
  await page.evaluate(() => scrollTo(0, 0));
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(out, `dashboard-${scheme}.png`), fullPage: true, clip: { x: 0, y: 0, width: 1360, height: 2175 } });
  }
  await page.emulateMedia({ colorScheme: "light" });
  // By keyboard alone: the first arrow, the next one, chosen.
  await page.locator('#graph .edge[tabindex="0"]').focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#graph .edge.chosen");
  await page.waitForTimeout(1500);
  await page.locator(".columns", { has: page.locator("#map") }).screenshot({ path: join(out, "dashboard-pair.png") });

  // A manager that starts again shows what it has kept.
  const ending = scene.manager;
  ending.child.kill("SIGTERM");
  await scene.ended(ending).catch(() => {});
  await scene.serve(serving);
  await page.goto(scene.link);
  await shown("#graph .edge", 12);
  await page.locator('#spans [value=hour]').check();
  await says("#chart-summary", "a point is a minute");
  await page.waitForTimeout(1000);
  await page.locator("#figures").screenshot({ path: join(out, "history.png") });
  await page.setViewportSize({ width: 420, height: 900 });
  await page.waitForTimeout(800);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide <= 0, `a narrow window scrolls sideways by ${wide} px`);
  await page.screenshot({ path: join(out, "dashboard-narrow.png") });
} finally {
  await browser.close();
  await scene.close();
}
if (problems.length) {
  console.error(problems.join("\n"));
  process.exit(1);
}
console.log(`pictures are in ${out}`);
