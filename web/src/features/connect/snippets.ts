import type { Transport } from "../accounts/endpoints";

export type Language = "cli" | "go" | "javascript" | "python";

export type Snippet = {
  language: Language;
  /** As it stands on the tab. */
  name: string;
  /** The user that "Create creds" makes. */
  userName: string;
  /** What to run once, before. */
  install: string;
  /** How to run the file; empty when the code is itself commands. */
  run: string;
  code: (transport: Transport, credsFile: string) => string;
};

/**
 * Each program says hello three times, a second apart: long enough to be seen on the page that waits for it, and it
 * shows that a subscription keeps delivering. Tests take these texts from the page and run them as they are.
 */
export const snippets: Snippet[] = [
  {
    language: "cli",
    name: "NATS CLI",
    userName: "nats-cli",
    install: "go install github.com/nats-io/natscli/nats@latest",
    run: "",
    code: ({ urls, caFile, tlsFirst }, credsFile) => {
      const trust = `${caFile ? ` --tlsca ${shellWord(caFile)}` : ""}${tlsFirst ? " --tlsfirst" : ""}`;
      const nats = `nats --server ${urls.join(",")}${trust} --creds ${shellWord(credsFile)}`;
      return `# In one terminal: listen
${nats} sub hello

# In another: publish
${nats} pub hello "hello from the nats CLI"
`;
    },
  },
  {
    language: "go",
    name: "Go",
    userName: "go-client",
    install: "go mod init hello && go get github.com/nats-io/nats.go",
    run: "go run main.go",
    code: ({ urls, caFile, tlsFirst }, credsFile) => `package main

import (
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	nc, err := nats.Connect(${JSON.stringify(urls.join(","))},
		nats.Name("hello from Go"),${caFile ? `\n\t\tnats.RootCAs(${JSON.stringify(caFile)}),` : ""}${tlsFirst ? "\n\t\tnats.TLSHandshakeFirst()," : ""}
		nats.UserCredentials(${JSON.stringify(credsFile)}))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()

	sub, err := nc.SubscribeSync("hello")
	if err != nil {
		log.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		if err := nc.Publish("hello", fmt.Appendf(nil, "hello from Go, %d of 3", i)); err != nil {
			log.Fatal(err)
		}
		msg, err := sub.NextMsg(5 * time.Second)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("Received on %s: %s\\n", msg.Subject, msg.Data)
		time.Sleep(time.Second)
	}
}
`,
  },
  {
    language: "javascript",
    name: "JavaScript",
    userName: "js-client",
    install: "npm install @nats-io/transport-node",
    run: "node hello.mjs",
    code: ({ urls, caFile, tlsFirst }, credsFile) => `import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, credsAuthenticator } from "@nats-io/transport-node";

const nc = await connect({
  servers: ${list(urls)},
  name: "hello from JavaScript",${
    caFile || tlsFirst
      ? `\n  tls: { ${[caFile && `caFile: ${JSON.stringify(caFile)}`, tlsFirst && "handshakeFirst: true"].filter(Boolean).join(", ")} },`
      : urls.every((url) => url.startsWith("nats://"))
        ? "\n  tls: null, // else this client encrypts wherever the broker offers it"
        : ""
  }
  authenticator: credsAuthenticator(await readFile(${JSON.stringify(credsFile)})),
});

nc.subscribe("hello", {
  callback: (err, msg) => {
    if (err) throw err;
    console.log(\`Received on \${msg.subject}: \${msg.string()}\`);
  },
});
for (let i = 1; i <= 3; i++) {
  nc.publish("hello", \`hello from JavaScript, \${i} of 3\`);
  await sleep(1000);
}
await nc.drain();
`,
  },
  {
    language: "python",
    name: "Python",
    userName: "python-client",
    install: 'pip install "nats-py[nkeys]"',
    run: "python hello.py",
    code: ({ urls, caFile, tlsFirst }, credsFile) => `import asyncio
${caFile ? "import ssl\n" : ""}
import nats


async def main():
    nc = await nats.connect(
        ${list(urls)},
        name="hello from Python",${caFile ? `\n        tls=ssl.create_default_context(cafile=${JSON.stringify(caFile)}),` : ""}${tlsFirst ? "\n        tls_handshake_first=True," : ""}
        user_credentials=${JSON.stringify(credsFile)},
    )
    sub = await nc.subscribe("hello")
    for i in range(1, 4):
        await nc.publish("hello", f"hello from Python, {i} of 3".encode())
        msg = await sub.next_msg(timeout=5)
        print(f"Received on {msg.subject}: {msg.data.decode()}")
        await asyncio.sleep(1)
    await nc.drain()


asyncio.run(main())
`,
  },
];

/** list is one URL, or a list of several, as JavaScript and Python write both. */
function list(urls: string[]): string {
  return urls.length === 1 ? JSON.stringify(urls[0]) : `[${urls.map((url) => JSON.stringify(url)).join(", ")}]`;
}

/** shellWord quotes a file name where a POSIX shell needs it. */
function shellWord(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
