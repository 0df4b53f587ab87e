// Runs a program of the documentation in a page of Chromium. The first line of the
// input says which and where; the answer is the page's title when the program has
// come to its end. The page stays until the input ends.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const input = createInterface({ input: process.stdin });
const [line] = await once(input, "line");
const { at, code, cookies } = JSON.parse(line);

const bundle = await build({
  stdin: { contents: `${code}\nwindow.finished();`, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
  bundle: true,
  write: false,
  format: "esm",
  platform: "browser",
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
// A person would have to import the authority.
const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true });
await context.addCookies(cookies);
const page = await context.newPage();
page.on("console", (message) => process.stderr.write(`${message.text()}\n`));
let exposed;
const finished = new Promise((resolve, reject) => {
  page.on("pageerror", reject);
  exposed = page.exposeFunction("finished", resolve);
});
await exposed;
const ended = once(input, "close");
// Of control's origin, but not of the web UI, which gives its pages titles of its own.
await page.goto(`${at}/v1/me`);
await page.addScriptTag({ content: bundle.outputFiles[0].text, type: "module" });
await finished;
console.log(await page.title());
await ended;
await browser.close();
