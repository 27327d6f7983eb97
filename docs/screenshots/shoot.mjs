// Opens the dashboard of a real scene in headless Chromium, in light and in dark, and takes its pictures.

import { join } from "node:path";
import { chromium } from "playwright-core";

const [programs, out, browserPath, scenePath, fifth] = process.argv.slice(2);
const { Scene } = await import(scenePath);
const scene = await new Scene(programs).open(["alice", "bob", "carol", "dave", fifth]);
const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
const problems = [];
try {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, deviceScaleFactor: 1 });
  const page = await context.newPage();
  page.on("dialog", (dialog) => { problems.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  page.on("pageerror", (error) => problems.push(`error ${error}`));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(scene.link).origin)) problems.push(`foreign request ${request.url()}`);
  });
  await page.goto(scene.link);
  await page.waitForFunction(() => document.querySelectorAll("#graph .edge").length >= 20 && document.querySelectorAll("#records-body tr").length > 60, null, { timeout: 60_000 });
  // Somebody goes: failures are part of what is shown.
  scene.people[3].child.kill("SIGKILL");
  await page.waitForFunction(() => document.querySelectorAll("#graph .edge.fails").length >= 3, null, { timeout: 60_000 });
  await page.selectOption("#objects-peer", { label: "alice" });
  await page.click("#objects-form button");
  await page.waitForSelector("#objects-found details");
  await page.keyboard.press("Tab");
  await page.waitForFunction(() => document.querySelectorAll(".uplot").length === 2);
  if (await page.locator("img").count()) problems.push("a peer's name became an element");
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(out, `dashboard-${scheme}.png`), fullPage: true, clip: { x: 0, y: 0, width: 1360, height: 1530 } });
  }
  await page.emulateMedia({ colorScheme: "light" });
  // By keyboard alone: the first arrow, the next one, chosen.
  await page.locator('#graph .edge[tabindex="0"]').focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#graph .edge.chosen");
  await page.waitForTimeout(1500);
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(out, "dashboard-pair.png") });
  await page.setViewportSize({ width: 420, height: 900 });
  await page.waitForTimeout(800);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) problems.push(`a narrow window scrolls sideways by ${wide} px`);
  await page.screenshot({ path: join(out, "dashboard-narrow.png") });
} finally {
  await browser.close();
  scene.close();
}
if (problems.length) {
  console.error(problems.join("\n"));
  process.exit(1);
}
console.log(`pictures are in ${out}`);
