import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Drives a real Chromium against a running control and broker; see stack.ts for which.
export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    environment: "node",
    include: ["e2e/**/*.test.ts"],
    globalSetup: ["e2e/stack.ts"],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // One browser at a time: the machines that run this have two cores.
    fileParallelism: false,
  },
});
