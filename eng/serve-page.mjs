// Drives the page of `mamba serve` in headless Chromium by the keyboard alone, at the widths of a telephone and of a
// desk, light and dark: node eng/serve-page.mjs URL FOLDER writes screenshots into the folder and fails on any error.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [url, folder] = process.argv.slice(2), profile = mkdtempSync(join(tmpdir(), "mamba-page-"));
const browser = spawn(process.env.CHROMIUM || "chromium", ["--headless=new", "--no-sandbox", "--disable-gpu",
  "--remote-debugging-pipe", "--hide-scrollbars", `--user-data-dir=${profile}`, "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
let number = 0, held = "";
const waiting = new Map(), faults = [];
browser.stdio[4].on("data", data => {
  const parts = (held + data).split("\0");
  held = parts.pop();
  for (const part of parts) {
    const message = JSON.parse(part);
    if (message.id) {
      const { done, fail } = waiting.get(message.id);
      if (message.error) fail(new Error(message.error.message)); else done(message.result);
    }
    if (message.method === "Runtime.exceptionThrown") faults.push(message.params.exceptionDetails.exception.description);
    if (message.method === "Log.entryAdded" && message.params.entry.level === "error") faults.push(message.params.entry.text);
  }
});

let session;
const send = (method, params = {}) => new Promise((done, fail) => {
  waiting.set(++number, { done, fail });
  browser.stdio[3].write(JSON.stringify({ id: number, method, params, sessionId: session }) + "\0");
});
const run = async text => {
  const answer = await send("Runtime.evaluate", { expression: text, returnByValue: true, awaitPromise: true });
  if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception.description);
  return answer.result.value;
};
const until = async text => {
  for (let i = 0; i < 600; i++) {
    if (await run(text)) return;
    await new Promise(done => setTimeout(done, 100));
  }
  throw new Error(`never: ${text}; the page says: ${await run("document.body.innerText")}`);
};
const press = async (key, modifiers = 0) => {
  const code = { Enter: 13, Tab: 9, Escape: 27 }[key], text = key === "Enter" ? "\r" : undefined;
  await send("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, windowsVirtualKeyCode: code, text, modifiers });
  await send("Input.dispatchKeyEvent", { type: "keyUp", key, code: key, windowsVirtualKeyCode: code, modifiers });
};
const tabTo = async test => {
  for (let i = 0; i < 60; i++) {
    if (await run(`(one => ${test})(document.activeElement)`)) return;
    await press("Tab");
  }
  throw new Error(`the Tab key never reaches ${test}`);
};
const shoot = async name => {
  const { data } = await send("Page.captureScreenshot", { format: "png" });
  writeFileSync(join(folder, `${name}.png`), Buffer.from(data, "base64"));
};
const view = (width, height, scheme) => Promise.all([
  send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 2, mobile: width < 600 }),
  send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] })]);
const isIdle = "!document.querySelector('[aria-busy]') && document.querySelector('#stop').hidden";
const count = "document.querySelectorAll('.assistant').length";
const say = async text => { await send("Input.insertText", { text }); await press("Enter"); };

try {
  const { targetInfos } = await send("Target.getTargets");
  const target = targetInfos.find(one => one.type === "page").targetId;
  session = (await send("Target.attachToTarget", { targetId: target, flatten: true })).sessionId;
  await send("Page.enable"); await send("Runtime.enable"); await send("Log.enable");
  await view(1200, 800, "light");
  await send("Page.navigate", { url });
  await until("document.querySelector('.empty')");
  await shoot("desk-empty");
  await say("In the beginning God created");
  await until(`${count} === 1 && ${isIdle}`);
  await until("/tokens\\/s.*state\\s.*B for/.test(document.querySelector('#numbers').textContent)");
  await say("and the LORD said unto Moses,");
  await until(`${count} === 2 && ${isIdle}`);
  await shoot("desk-light");
  const first = await run("document.querySelector('.assistant pre').textContent");
  if (!first) throw new Error("the answer is empty");

  await tabTo("one.textContent === 'Fork' && one.closest('.message') === document.querySelectorAll('.user')[1]");
  await press("Enter"); // a copy before the second message, which is in the field again
  await until(`${count} === 1 && document.querySelector('#text').value.startsWith('and the LORD')`);
  await until("document.querySelectorAll('#sessions li').length === 2");
  await press("Enter");
  await until(`${count} === 2 && ${isIdle}`);
  await tabTo("one.textContent === 'Edit' && one.closest('.message') === document.querySelectorAll('.user')[0]");
  await press("Enter");
  await until(`${count} === 0 && document.querySelector('#text').value.startsWith('In the beginning')`);
  await press("Enter");
  await until("document.querySelector('.assistant pre')?.textContent.length > 40");
  await press("Escape"); // stops it
  await until(isIdle);
  await until("/state\\s/.test(document.querySelector('#numbers').textContent)");
  await view(1200, 800, "dark");
  await shoot("desk-dark");

  await view(390, 844, "light");
  await shoot("phone-light");
  const wide = await run("document.documentElement.scrollWidth");
  if (wide > 390) throw new Error(`the page is ${wide} pixels wide on a telephone of 390`);
  await run("document.querySelector('#menu').focus()"); // it is not on wide screens, where the Tab key began
  await press("Enter");
  await until("document.body.classList.contains('open')");
  await view(390, 844, "dark");
  await shoot("phone-menu-dark");
  await press("Escape");
  await until("!document.body.classList.contains('open')");
  await shoot("phone-dark");
  if (faults.length) throw new Error(faults.join("\n"));
  console.log("page: chat, fork, edit and stop by the keyboard; screenshots of 6 views");
} finally {
  browser.kill();
  await new Promise(done => browser.once("exit", done));
  for (let tries = 1; ; tries++) {
    try {
      rmSync(profile, { recursive: true, force: true });
      break;
    } catch (error) { // the browser's children end after it, and write until then
      if (tries === 50) throw error;
      await new Promise(done => setTimeout(done, 100));
    }
  }
}
