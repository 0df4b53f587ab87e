import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const control = process.env.SIGNALBOX_URL ?? "http://127.0.0.1:8080";

// Puts a .gz beside each text asset: embed.go serves it to those who accept it, and control compresses nothing per request.
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    async writeBundle(options) {
      const assets = join(options.dir ?? "dist", "assets");
      for (const name of await readdir(assets)) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const compressed = await promisify(gzip)(await readFile(join(assets, name)), { level: 9 });
        await writeFile(join(assets, `${name}.gz`), compressed);
      }
    },
  };
}

// go:embed needs one file in dist even where nothing was built.
function keepPlaceholder(): Plugin {
  return {
    name: "keep-placeholder",
    apply: "build",
    async writeBundle(options) {
      await writeFile(join(options.dir ?? "dist", ".gitkeep"), "");
    },
  };
}

export default defineConfig({
  plugins: [react(), precompress(), keepPlaceholder()],
  server: {
    proxy: { "/v1": control, "/healthz": control, "/readyz": control },
  },
  build: {
    target: "es2022",
    // The Content-Security-Policy has no data: for fonts and scripts.
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
});
