import { describe, expect, it } from "vitest";
import { snippets } from "./snippets";

const secure = { urls: ["tls://a.example:4222", "tls://b.example:4222"], caFile: "ca.pem", tlsFirst: true };

describe.each(snippets.map((snippet) => [snippet.name, snippet] as const))("the %s snippet", (_, snippet) => {
  const code = snippet.code({ urls: ["nats://broker.example:4222"] }, "go-client.creds");

  it("names the URL and the creds file, and says hello", () => {
    expect(code).toContain("nats://broker.example:4222");
    expect(code).toContain("go-client.creds");
    expect(code).toContain("hello");
  });

  it("leaves no placeholder", () => {
    for (const text of [code, snippet.code(secure, "go-client.creds")]) {
      expect(text).not.toMatch(/undefined|<[a-z-]+>|TODO|your-/i);
    }
  });

  it("trusts the authority, begins with TLS and names several URLs where it has to", () => {
    const text = snippet.code(secure, "go-client.creds");
    expect(text).toContain("tls://a.example:4222");
    expect(text).toContain("tls://b.example:4222");
    expect(text).toContain("ca.pem");
    expect(text).toMatch(/tlsfirst|TLSHandshakeFirst|handshakeFirst|tls_handshake_first/);
    expect(code.replace("tls: null", "")).not.toMatch(/ca\.pem|tls/i);
  });

  it("makes a user whose name NATS and the API allow", () => {
    expect(snippet.userName).toMatch(/^[A-Za-z0-9_-]+$/);
  });
});

it("quotes a file name where the shell needs it", () => {
  const cli = snippets.find((snippet) => snippet.language === "cli");
  expect(cli?.code({ urls: ["nats://a:1"] }, "it's mine.creds")).toContain(`--creds 'it'\\''s mine.creds' sub`);
});
