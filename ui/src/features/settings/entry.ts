/** What a setting is, and where its words are: in `settings.entries`, under its id. */
import type { Settings, SettingsPatch } from '../../backend/types';
import { t } from '../../shared/i18n';
import type texts from '../../shared/i18n/en/settings.json';

export type SettingValue = string | number | boolean | null;

/** In the language that is shown when it is asked. */
export type Words = () => string;

export type Control =
  | { kind: 'choice'; options: [value: string, label: Words][]; testid?: string }
  | { kind: 'model' }
  | { kind: 'text'; rows: number; placeholder: Words }
  | { kind: 'slider'; min: number; max: number; step: number }
  | { kind: 'number'; min: number; max: number; empty: Words | null }
  | { kind: 'switch' }
  | { kind: 'key' }
  | { kind: 'keys' };

export type Section =
  | 'appearance'
  | 'desktop'
  | 'conversations'
  | 'sampling'
  | 'engine'
  | 'downloads'
  | 'knowledge'
  | 'tools'
  | 'local-endpoint';

export interface SettingEntry {
  /** Where it lives, as in the stored JSON. */
  id: string;
  section: Section;
  /** In the language that is shown now. */
  readonly label: string;
  readonly help: string;
  control: Control;
  initial: SettingValue;
  read(settings: Settings): SettingValue;
  patch(settings: Settings, value: SettingValue): SettingsPatch;
}

type Entries = (typeof texts)['entries'];

/** Ids that have words: `theme`, or `GROUP.name` as `sampling.seed`. */
export type SettingId = {
  [Name in keyof Entries & string]: Entries[Name] extends { label: string }
    ? Name
    : `${Name}.${keyof Entries[Name] & string}`;
}[keyof Entries & string];

/** Gives a setting its words. They are looked up when they are read, so that they follow the language. */
export function named(
  entry: Omit<SettingEntry, 'id' | 'label' | 'help'> & { id: SettingId },
): SettingEntry {
  return {
    ...entry,
    get label() {
      return t(`settings.entries.${entry.id}.label`);
    },
    get help() {
      return t(`settings.entries.${entry.id}.help`);
    },
  };
}
