import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

export const repository = fileURLToPath(new URL("../..", import.meta.url));
export const control = join(repository, "bin/control");

declare module "vitest" {
  interface ProvidedContext {
    signalboxUrl: string;
    /** The Postgres behind it. */
    databaseUrl: string;
  }
}

const ports = [
  "SIGNALBOX_HTTP_PORT",
  "SIGNALBOX_NATS_PORT",
  "SIGNALBOX_NATS_TLS_PORT",
  "SIGNALBOX_WS_PORT",
  "SIGNALBOX_WSS_PORT",
  "SIGNALBOX_MQTT_PORT",
  "SIGNALBOX_LEAFNODE_PORT",
  "SIGNALBOX_LEAFNODE_TLS_PORT",
  "SIGNALBOX_CONTROL_METRICS_PORT",
  "SIGNALBOX_BROKER_METRICS_PORT",
];

/**
 * Uses the control that SIGNALBOX_URL names, or starts `control dev` (Postgres, control and a broker) on free ports with
 * its state in a folder that goes away afterwards.
 */
export default async function setup(project: TestProject) {
  const running = process.env.SIGNALBOX_URL;
  if (running) {
    project.provide("signalboxUrl", running.replace(/\/$/, ""));
    project.provide("databaseUrl", process.env.DATABASE_URL ?? "");
    return;
  }
  if (!existsSync(control)) throw new Error("bin/control is missing: run `make build`, or set SIGNALBOX_URL");
  const data = await mkdtemp(join(tmpdir(), "sb-e2e-"));
  const free = await freePorts(ports.length);
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    SIGNALBOX_DATA: data,
    SIGNALBOX_TRIES_PER_MINUTE: "1000", // the tests sign up more often than one address may
    SIGNALBOX_CONSOLE_LIFE: "PT4S", // so that pages outlive it
    SIGNALBOX_ISSUERS_ANYWHERE: "true", // a test has one of its own
  };
  ports.forEach((name, index) => (env[name] = String(free[index])));
  const child = spawn(control, ["dev"], { cwd: repository, env, stdio: ["ignore", "pipe", "pipe"] });
  await ready(child);
  project.provide("signalboxUrl", `http://127.0.0.1:${env.SIGNALBOX_HTTP_PORT}`);
  project.provide("databaseUrl", await databaseUrl(join(data, "postgres")));
  return async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    await ended;
    await rm(data, { recursive: true, force: true });
  };
}

/** databaseUrl reads where the throw-in Postgres listens from the file that it keeps in its folder. */
async function databaseUrl(folder: string): Promise<string> {
  const [, , , port, socket] = (await readFile(join(folder, "postmaster.pid"), "utf8")).split("\n");
  return `postgres://postgres@/postgres?${new URLSearchParams({ host: socket ?? "", port: port ?? "" })}`;
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("Signalbox is running")) resolve();
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", listen);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`control ended with ${code} before it was ready:\n${said}`)));
  });
}

/** freePorts holds all of them at once, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer().once("error", reject);
          server.listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const found = servers.map((server) => {
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("a listener without a port");
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return found;
}
