import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const SERVER = "http://127.0.0.1:8765";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../triage_viewer/page",
    emptyOutDir: true,
    // The server's Content-Security-Policy takes nothing from data: addresses.
    assetsInlineLimit: 0,
    // How long each plugin took is nobody's concern who only builds.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  server: {
    // `npm run dev` beside `triage viewer`: decisions are accepted from the server's own origin alone.
    proxy: { "/api": { target: SERVER, changeOrigin: true, headers: { origin: SERVER } } },
  },
  test: { include: ["src/**/*.test.ts"] },
});
