import { describe, expect, it } from "vitest";
import { snippets } from "./snippets";

describe.each(snippets.map((snippet) => [snippet.name, snippet] as const))("the %s snippet", (_, snippet) => {
  const code = snippet.code("nats://broker.example:4222", "go-client.creds");

  it("names the URL and the creds file, and says hello", () => {
    expect(code).toContain("nats://broker.example:4222");
    expect(code).toContain("go-client.creds");
    expect(code).toContain("hello");
  });

  it("leaves no placeholder", () => {
    expect(code).not.toMatch(/undefined|<[a-z-]+>|TODO|your-/i);
  });

  it("makes a user whose name NATS and the API allow", () => {
    expect(snippet.userName).toMatch(/^[A-Za-z0-9_-]+$/);
  });
});

it("quotes a file name where the shell needs it", () => {
  const cli = snippets.find((snippet) => snippet.language === "cli");
  expect(cli?.code("nats://a:1", "it's mine.creds")).toContain(`--creds 'it'\\''s mine.creds' sub`);
});
