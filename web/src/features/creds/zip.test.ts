import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { zip } from "./zip";

// Python's zipfile stands for every other program that opens archives: it checks sums, sizes and offsets.
const readBack = `
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
print(json.dumps([[name, archive.read(name).decode()] for name in archive.namelist()]))
`;

it("makes an archive that others open", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sb-zip-"));
  try {
    const file = join(folder, "creds.zip");
    const entries = [
      { name: "probe-1.creds", content: "-----BEGIN NATS USER JWT-----\neyJ0\n" },
      { name: "zoë.creds", content: "" },
    ];
    writeFileSync(file, Buffer.from(await zip(entries).arrayBuffer()));
    const read: unknown = JSON.parse(execFileSync("python3", ["-c", readBack, file], { encoding: "utf8" }));
    expect(read).toEqual(entries.map(({ name, content }) => [name, content]));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
