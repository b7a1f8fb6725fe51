import { flushSync, mount, tick, unmount } from 'svelte';
import { expect, it, vi } from 'vitest';
import { LIBRARY, SETTINGS, STATUS } from '../../demo/data';
import { fakeBackend } from '../backend/fake';
import { LanternApp } from '../lantern.svelte';
import { TESTID } from '../shared/testids';
import SettingsView from './SettingsView.svelte';

async function shown() {
  const backend = fakeBackend({
    getStatus: () => Promise.resolve(STATUS),
    getSettings: () => Promise.resolve(SETTINGS),
    library: () => Promise.resolve(LIBRARY),
  });
  const app = new LanternApp(backend, { getItem: () => null, setItem: () => {} });
  await app.start();
  const view = mount(SettingsView, { target: document.body, props: { app } });
  flushSync();
  const find = (words: string) => {
    const field = document.querySelector<HTMLInputElement>(
      `[data-testid="${TESTID.settingsFind}"]`,
    )!;
    field.value = words;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    flushSync();
  };
  const rows = () =>
    [...document.querySelectorAll<HTMLElement>('[data-setting]')].map((row) => row.dataset.setting);
  const parts = () =>
    [...document.querySelectorAll(`[data-testid="${TESTID.settingsPart}"]`)].map((part) =>
      part.textContent.trim(),
    );
  return { app, view, find, rows, parts };
}

it('settings are found by their words, sections by their names', async () => {
  const { app, view, find, rows, parts } = await shown();
  const all = rows().length;
  expect(all).toBeGreaterThan(30);
  find('same question');
  expect(rows()).toEqual(['sampling.seed']);
  expect(parts()).toEqual(['Sampling']);
  find('hugging token');
  expect(rows()).toEqual([]);
  expect(parts()).toEqual(['Hugging Face']);
  find('xyzzy');
  expect(document.body.textContent).toContain('No setting speaks of “xyzzy”.');

  // Who asks for a setting elsewhere, such as in the palette, sees it whatever was looked for here.
  Element.prototype.scrollIntoView = vi.fn();
  app.showSetting('theme');
  flushSync();
  await tick();
  expect(rows()).toHaveLength(all);
  expect(document.activeElement?.closest<HTMLElement>('[data-setting]')?.dataset.setting).toBe(
    'theme',
  );
  void unmount(view);
});
