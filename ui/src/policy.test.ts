/** The window's content security policy, word for word: whoever loosens it must also change this test, and say why. */
import { expect, it } from 'vitest';
import configuration from '../../src-tauri/tauri.conf.json';
import { CSP } from '../vite.config';

/** What each directive may allow. Nothing here is another host, inline code or code made of strings. */
const ALLOWED: Record<string, string[]> = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:', 'asset:', 'http://asset.localhost'],
  'font-src': ["'self'"],
  // Frames for strangers' code, which have a policy of their own (`src-tauri/src/artifacts.rs`).
  'frame-src': ['artifact:', 'http://artifact.localhost'],
  'connect-src': ["'self'", 'ipc:', 'http://ipc.localhost'],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
  'object-src': ["'none'"],
};

const { security } = configuration.app;

function parsed(policy: string): Record<string, string[]> {
  const directives = policy.split(';').map((directive) => directive.trim().split(/\s+/));
  return Object.fromEntries(directives.map(([name = '', ...sources]) => [name, sources]));
}

/** What a policy allows beyond this one. */
function loosened(policy: string): string[] {
  const directives = parsed(policy);
  const missing = Object.keys(ALLOWED).filter((name) => !(name in directives));
  const more = Object.entries(directives).flatMap(([name, sources]) =>
    sources.filter((source) => !ALLOWED[name]?.includes(source)).map((one) => `${name} ${one}`),
  );
  return [...missing, ...more];
}

it('the window allows nothing beyond its policy', () => {
  expect(loosened(security.csp)).toEqual([]);
});

it('the page cannot change what all objects are made of', () => {
  expect(security.freezePrototype).toBe(true);
  expect(security).not.toHaveProperty('dangerousDisableAssetCspModification');
});

it('the quick loop forbids what the window forbids', () => {
  expect(parsed(CSP)).toEqual(parsed(security.csp));
});

it.each([
  ["script-src 'self'", "script-src 'self' 'unsafe-inline'"],
  ["script-src 'self'", "script-src 'self' 'unsafe-eval'"],
  ["style-src 'self'", "style-src 'self' 'unsafe-inline'"],
  ['connect-src', 'connect-src https:'],
  ["img-src 'self'", 'img-src *'],
  ['frame-src', 'frame-src data:'],
  ["object-src 'none'", "worker-src 'self'"],
  ["default-src 'none'; ", ''],
  ["form-action 'none'; ", ''],
])('a policy in which %j became %j is noticed', (from, to) => {
  const { csp } = security;
  expect(csp).toContain(from);
  expect(loosened(csp.replace(from, to))).not.toEqual([]);
});
