import { describe, expect, it, vi } from 'vitest';
import { SETTINGS as STORED } from '../../../demo/data';
import { fakeBackend } from '../../backend/fake';
import type { ErrorInfo, Settings, SettingsPatch } from '../../backend/types';
import type { SettingEntry } from './entry';
import { SECTIONS, SETTINGS } from './registry';
import { SettingsController } from './settings.svelte';

const REFUSED: ErrorInfo = { code: 'invalid_setting', message: 'Too low.', nextStep: 'Raise it.' };
const entry = (id: string): SettingEntry => SETTINGS.find((setting) => setting.id === id)!;

/** Follows a dotted id into the settings. */
function at(settings: Settings, id: string): unknown {
  const value = id
    .split('.')
    .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], settings);
  // A list is written one entry a line.
  return Array.isArray(value) ? value.join('\n') : value;
}

/** Every leaf of the settings, as dotted ids. */
function leaves(node: object, prefix = ''): string[] {
  return Object.entries(node).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? leaves(value, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}

describe('the registry', () => {
  it('has exactly one entry for every setting', () => {
    expect(SETTINGS.map(({ id }) => id).sort()).toEqual(
      leaves(STORED)
        // It has a button of its own, in the first steps.
        .filter((id) => id !== 'desktop.firstRunDone')
        .sort(),
    );
  });

  it('reads each setting from where its id says', () => {
    for (const { id, read } of SETTINGS) expect(read(STORED), id).toBe(at(STORED, id));
  });

  it('patches nothing but the setting and its group', () => {
    for (const { id, patch, read } of SETTINGS) {
      const [group, field] = id.split('.') as [string, string | undefined];
      const changed = patch(STORED, read(STORED)) as Record<string, unknown>;
      expect(Object.keys(changed), id).toEqual([group]);
      // The desktop's group is patched field by field, others as a whole.
      const whole = group === 'desktop' ? { [field!]: at(STORED, id) } : at(STORED, group);
      if (field) expect(changed[group], id).toEqual(whole);
    }
  });

  it('clears a choice in the way the application expects', () => {
    expect(entry('defaultModel').patch(STORED, null)).toEqual({ defaultModel: '' });
    expect(entry('threads').patch(STORED, null)).toEqual({ threads: 0 });
    expect(entry('contextLength').patch(STORED, null)).toEqual({ contextLength: 0 });
    expect(entry('sampling.seed').patch(STORED, null).sampling?.seed).toBeNull();
    expect(entry('endpoint.key').patch(STORED, '').endpoint?.key).toBe('');
  });

  it('puts every entry in a section that is drawn, with words', () => {
    for (const { id, section, label, help } of SETTINGS) {
      expect(SECTIONS, id).toContain(section);
      expect(label, id).not.toBe('');
      expect(help, id).toMatch(/\.$/);
    }
  });
});

describe('changes', () => {
  async function controller(save: (patch: SettingsPatch) => Promise<Settings>) {
    const update = vi.fn(save);
    const settings = new SettingsController(
      fakeBackend({ getSettings: () => Promise.resolve(STORED), updateSettings: update }),
    );
    await settings.refresh();
    return { settings, update };
  }

  it('show at once and are saved', async () => {
    const { settings, update } = await controller(() =>
      Promise.resolve({ ...STORED, theme: 'dark' }),
    );
    settings.set(entry('theme'), 'dark');
    expect(settings.value(entry('theme'))).toBe('dark');
    await settings.settled();
    expect(update).toHaveBeenCalledExactlyOnceWith({ theme: 'dark' });
    expect(settings.current?.theme).toBe('dark');
  });

  it('that are refused stay in their field with the reason, and the rest is as stored', async () => {
    const { settings } = await controller(() => Promise.reject(REFUSED));
    settings.set(entry('endpoint.port'), 80);
    await settings.settled();
    expect(settings.value(entry('endpoint.port'))).toBe(80);
    expect(settings.errorOf(entry('endpoint.port'))).toEqual(REFUSED);
    expect(settings.current?.endpoint.port).toBe(STORED.endpoint.port);
    expect(settings.errorOf(entry('theme'))).toBeUndefined();
  });

  it('to one group build on each other', async () => {
    let stored = STORED;
    const { settings, update } = await controller((patch) => {
      stored = { ...stored, ...(patch as Partial<Settings>) };
      return Promise.resolve(stored);
    });
    settings.set(entry('sampling.temperature'), 0.2);
    settings.set(entry('sampling.topK'), 5);
    await settings.settled();
    expect(update.mock.lastCall?.[0].sampling).toMatchObject({ temperature: 0.2, topK: 5 });
  });

  it('by typing are saved once the typing pauses', async () => {
    vi.useFakeTimers();
    const { settings, update } = await controller((patch) =>
      Promise.resolve({ ...STORED, systemPrompt: patch.systemPrompt ?? '' }),
    );
    for (const words of ['B', 'Be', 'Be kind']) settings.set(entry('systemPrompt'), words, 'soon');
    expect(update).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(400);
    await settings.settled();
    expect(update).toHaveBeenCalledExactlyOnceWith({ systemPrompt: 'Be kind' });
    vi.useRealTimers();
  });

  it('can be taken back to the default', async () => {
    const { settings, update } = await controller(() => Promise.resolve(STORED));
    settings.reset(entry('sampling.repeatPenalty'));
    await settings.settled();
    expect(update.mock.lastCall?.[0].sampling?.repeatPenalty).toBe(1);
  });
});
