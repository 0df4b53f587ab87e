import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect, inject } from "vitest";

export const url = inject("signalboxUrl");

export const password = "correct horse battery staple";

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export type Visitor = {
  context: BrowserContext;
  page: Page;
  /** What the console complained about and scripts threw: a passing test with these has not passed. */
  complaints: string[];
};

/** visit opens a page in a browser context of its own: nobody's cookies, nobody's storage. */
export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({ baseURL: url, acceptDownloads: true, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // The browser reports each refused call; what the page makes of it is the test's business.
    const refused = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !refused) complaints.push(message.text());
  });
  return { context, page, complaints };
}

let people = 0;

export function newEmail(): string {
  people += 1;
  return `ada.${Date.now().toString(36)}.${people}@example.com`;
}

/** signUp fills the form the way a person does and waits for Connect. */
export async function signUp(page: Page, email = newEmail(), team = "Analytical Engines"): Promise<string> {
  await page.goto("/sign-up");
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByLabel("Name of your team").fill(team);
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.waitForURL(/\/accounts\/acc_\w+\/connect$/);
  await page.getByRole("button", { name: "Create creds" }).waitFor();
  return email;
}

export type CredsFile = { name: string; content: string };

/** createCreds presses "Create creds" on Connect and takes the download. */
export async function createCreds(page: Page): Promise<CredsFile> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Create creds" }).click(),
  ]);
  return { name: download.suggestedFilename(), content: await readFile(await download.path(), "utf8") };
}

export async function pickLanguage(page: Page, name: string): Promise<void> {
  await page.getByRole("radiogroup", { name: "Language" }).getByText(name, { exact: true }).click();
}

/** snippet is the program exactly as it stands on the page. */
export async function snippet(page: Page, language: string): Promise<string> {
  return (await page.getByTestId(`snippet-${language}`).textContent()) ?? "";
}

/** Where pictures go; none are taken without. */
const pictures = process.env.SCREENSHOTS;

/** whole sees that nothing is wider than the screen, in both appearances and on a phone. */
export async function whole(page: Page, name: string): Promise<void> {
  for (const [screen, width, colorScheme] of [
    ["light", 1280, "light"],
    ["dark", 1280, "dark"],
    ["phone", 390, "light"],
  ] as const) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    await page.getByText("Loading", { exact: true }).first().waitFor({ state: "detached" });
    // The page follows its new size in a frame or two.
    await expect
      .poll(() => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), {
        message: `${name} is wider than the screen (${screen})`,
      })
      .toBeLessThanOrEqual(0);
    // The folder is made where there is none.
    if (pictures) await page.screenshot({ path: join(pictures, `${name}-${screen}.png`) });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
}
