import { readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Connect, Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/**
 * The content security policy of the window. `vite preview` sends it too, so that whatever it would forbid
 * in the application is already forbidden in the quick loop.
 */
export const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: asset: http://asset.localhost",
  "font-src 'self'",
  'frame-src artifact: http://artifact.localhost',
  "connect-src 'self' ipc: http://ipc.localhost",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
].join('; ');

/**
 * In the application the document of sandboxed frames comes from an address of its own (`src-tauri/src/artifacts.rs`).
 * A browser knows no such address: in the quick loop it is `/artifact/`, with a policy that forbids as much.
 */
function sandbox(): Plugin {
  const serve: Connect.NextHandleFunction = (request, response, next) => {
    if (request.url !== '/artifact/') return next();
    response.setHeader('Content-Type', 'text/html');
    response.setHeader('Content-Security-Policy', 'sandbox allow-scripts');
    response.end(readFileSync(new URL('sandbox/index.html', import.meta.url)));
  };
  return {
    name: 'sandbox',
    configureServer: ({ middlewares }) => void middlewares.use(serve),
    configurePreviewServer: ({ middlewares }) => void middlewares.use(serve),
  };
}

export default defineConfig({
  plugins: [svelte(), sandbox()],
  clearScreen: false,
  server: { port: 5173, strictPort: true, watch: { ignored: ['**/src-tauri/**'] } },
  preview: {
    headers: { 'Content-Security-Policy': CSP.replace('frame-src', "frame-src 'self'") },
  },
  build: {
    target: ['safari17', 'chrome120'],
    cssTarget: ['safari17.5', 'chrome123'],
    // The window loads from disk; data URLs for assets would only blur what the policy allows.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
    modulePreload: { polyfill: false },
  },
  // Under vitest Svelte must resolve to its browser build, or components cannot mount.
  resolve: process.env.VITEST ? { conditions: ['browser'] } : undefined,
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts'],
    restoreMocks: true,
    // Generous, for machines that are busy with other things.
    testTimeout: 30_000,
  },
});
