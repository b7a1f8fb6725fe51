/**
 * The settings as stored, and what the user is changing. Each change is saved by itself, one after the other;
 * a value that the application refuses stays in its field with the reason under it.
 */
import { toErrorInfo, type Backend } from '../../backend';
import type { ErrorInfo, Settings, SettingsPatch } from '../../backend/types';
import type { SettingEntry, SettingValue } from './entry';

/** Typing and dragging are saved once they pause this long, in milliseconds. */
const SAVE_AFTER = 350;

export class SettingsController {
  current = $state.raw<Settings | null>(null);
  error = $state.raw<ErrorInfo | null>(null);
  /** Values on their way to the store, or refused by it, by entry id. */
  #drafts = $state.raw<Record<string, SettingValue>>({});
  #errors = $state.raw<Record<string, ErrorInfo>>({});
  // Nothing is drawn from this map, so it need not be reactive.
  // eslint-disable-next-line svelte/prefer-svelte-reactivity
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #queue: Promise<void> = Promise.resolve();
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async refresh(): Promise<void> {
    try {
      this.current = await this.#backend.getSettings();
      this.error = null;
    } catch (cause) {
      this.error = toErrorInfo(cause);
    }
  }

  /** Changes settings from elsewhere than their page. */
  async apply(patch: SettingsPatch): Promise<void> {
    this.current = await this.#backend.updateSettings(patch);
  }

  /** Another part of the application changed the settings. */
  replaced(settings: Settings): void {
    this.current = settings;
  }

  value(entry: SettingEntry): SettingValue {
    const draft = this.#drafts[entry.id];
    if (draft !== undefined) return draft;
    return this.current ? entry.read(this.current) : entry.initial;
  }

  errorOf(entry: SettingEntry): ErrorInfo | undefined {
    return this.#errors[entry.id];
  }

  /** Takes the value at once and saves it when the user pauses (`soon`) or immediately. */
  set(entry: SettingEntry, value: SettingValue, when: 'now' | 'soon' = 'now'): void {
    this.#drafts = { ...this.#drafts, [entry.id]: value };
    clearTimeout(this.#timers.get(entry.id));
    if (when === 'now') {
      this.#save(entry, value);
    } else {
      const timer = setTimeout(() => this.#save(entry, value), SAVE_AFTER);
      this.#timers.set(entry.id, timer);
    }
  }

  reset(entry: SettingEntry): void {
    this.set(entry, entry.initial);
  }

  /** Changes something that has no field of its own on the page; rejects where it is refused. */
  async patch(patch: SettingsPatch): Promise<void> {
    const before = this.current;
    // At once, so that a key pressed again begins where the last one led.
    if (before) this.current = { ...before, desktop: { ...before.desktop, ...patch.desktop } };
    try {
      this.current = await this.#backend.updateSettings(patch);
    } catch (cause) {
      this.current = before;
      throw cause;
    }
  }

  /** Resolves when every change so far is saved or refused. */
  settled(): Promise<void> {
    return this.#queue;
  }

  #save(entry: SettingEntry, value: SettingValue): void {
    // One after the other: a patch that replaces a whole group must be built on the save before it.
    this.#queue = this.#queue.then(async () => {
      if (!this.current) return;
      try {
        this.current = await this.#backend.updateSettings(entry.patch(this.current, value));
        if (this.#drafts[entry.id] === value) this.#drafts = without(this.#drafts, entry.id);
        this.#errors = without(this.#errors, entry.id);
      } catch (cause) {
        if (this.#drafts[entry.id] === value) {
          this.#errors = { ...this.#errors, [entry.id]: toErrorInfo(cause) };
        }
      }
    });
  }
}

function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}
