/**
 * Every setting, once: what it is called, what it does, how it is chosen, where it lives in `Settings`, and its
 * default. The settings page draws itself from this list. Limits are checked by the application; those here only
 * shape the controls.
 */
import type { SamplingSettings, Settings } from '../../backend/types';
import { LANGUAGES, t, TAGS, type Tag } from '../../shared/i18n';
import { TESTID } from '../../shared/testids';
import { DESKTOP_SETTINGS } from './desktop';
import { named, type Section, type SettingEntry, type Words } from './entry';

/** In the order in which they are drawn; what they are called is in `settings.sections`. */
export const SECTIONS: Section[] = [
  'appearance',
  'desktop',
  'conversations',
  'sampling',
  'engine',
  'downloads',
  'tools',
  'knowledge',
  'local-endpoint',
];

/** A language to choose, in the language itself. */
function inItself(tag: Tag): [Tag, Words] {
  return [tag, () => LANGUAGES[tag].name];
}

type Numeric = Exclude<keyof SamplingSettings, 'seed' | 'maxTokens'>;

function sampling(
  field: Numeric,
  initial: number,
  [min, max, step]: [number, number, number],
): SettingEntry {
  return named({
    id: `sampling.${field}`,
    section: 'sampling',
    control: { kind: 'slider', min, max, step },
    initial,
    read: (settings) => settings.sampling[field],
    patch: (settings, value) => ({
      sampling: { ...settings.sampling, [field]: Number(value) },
    }),
  });
}

function optionalSampling(field: 'seed' | 'maxTokens', min: number): SettingEntry {
  const empty = () => t(`settings.entries.sampling.${field}.empty`);
  return named({
    id: `sampling.${field}`,
    section: 'sampling',
    control: { kind: 'number', min, max: 4_294_967_295, empty },
    initial: null,
    read: (settings) => settings.sampling[field],
    patch: (settings, value) => ({
      sampling: { ...settings.sampling, [field]: value === null ? null : Number(value) },
    }),
  });
}

/** Numbers that are cleared by sending 0. */
function optionalNumber(
  field: 'contextLength' | 'threads' | 'unloadAfterMinutes',
  [min, max]: [number, number],
): SettingEntry {
  const empty = () => t(`settings.entries.${field}.empty`);
  return named({
    id: field,
    section: 'engine',
    control: { kind: 'number', min, max, empty },
    initial: null,
    read: (settings) => settings[field],
    patch: (_settings, value) => ({ [field]: value === null ? 0 : Number(value) }),
  });
}

/** Stored in bytes a second. It stands on the page of downloads, too. */
export const DOWNLOAD_LIMIT = named({
  id: 'downloadBytesPerSecond',
  section: 'downloads',
  control: {
    kind: 'number',
    min: 1,
    max: 4294,
    empty: () => t('settings.entries.downloadBytesPerSecond.empty'),
  },
  initial: null,
  read: ({ downloadBytesPerSecond }) =>
    downloadBytesPerSecond === null ? null : downloadBytesPerSecond / 1_000_000,
  patch: (_settings, value) => ({
    downloadBytesPerSecond: value === null ? 0 : Math.round(Number(value) * 1_000_000),
  }),
});

export const SETTINGS: SettingEntry[] = [
  named({
    id: 'theme',
    section: 'appearance',
    control: {
      kind: 'choice',
      testid: TESTID.themeSelect,
      options: [
        ['system', () => t('settings.entries.theme.options.system')],
        ['light', () => t('settings.entries.theme.options.light')],
        ['dark', () => t('settings.entries.theme.options.dark')],
      ],
    },
    initial: 'system',
    read: (settings) => settings.theme,
    patch: (_settings, value) => ({ theme: value as Settings['theme'] }),
  }),
  named({
    id: 'language',
    section: 'appearance',
    control: {
      kind: 'choice',
      testid: TESTID.languageSelect,
      options: [
        ['system', () => t('settings.entries.language.options.system')],
        ...TAGS.map(inItself),
      ],
    },
    initial: 'system',
    read: (settings) => settings.language,
    patch: (_settings, value) => ({ language: value as Settings['language'] }),
  }),
  named({
    id: 'defaultModel',
    section: 'conversations',
    control: { kind: 'model' },
    initial: null,
    read: (settings) => settings.defaultModel,
    patch: (_settings, value) => ({ defaultModel: value === null ? '' : String(value) }),
  }),
  named({
    id: 'systemPrompt',
    section: 'conversations',
    control: {
      kind: 'text',
      rows: 4,
      placeholder: () => t('settings.entries.systemPrompt.placeholder'),
    },
    initial: '',
    read: (settings) => settings.systemPrompt,
    patch: (_settings, value) => ({ systemPrompt: String(value ?? '') }),
  }),
  named({
    id: 'overflow',
    section: 'conversations',
    control: {
      kind: 'choice',
      options: [
        ['drop_oldest', () => t('settings.entries.overflow.options.drop_oldest')],
        ['summarise', () => t('settings.entries.overflow.options.summarise')],
        ['error', () => t('settings.entries.overflow.options.error')],
      ],
    },
    initial: 'drop_oldest',
    read: (settings) => settings.overflow,
    patch: (_settings, value) => ({ overflow: value as Settings['overflow'] }),
  }),
  named({
    id: 'writeTitles',
    section: 'conversations',
    control: { kind: 'switch' },
    initial: true,
    read: (settings) => settings.writeTitles,
    patch: (_settings, value) => ({ writeTitles: value === true }),
  }),
  sampling('temperature', 0.7, [0, 2, 0.05]),
  sampling('topK', 40, [0, 200, 1]),
  sampling('topP', 0.95, [0.05, 1, 0.01]),
  sampling('minP', 0.05, [0, 1, 0.01]),
  sampling('repeatPenalty', 1, [1, 2, 0.01]),
  sampling('presencePenalty', 0, [-2, 2, 0.05]),
  sampling('frequencyPenalty', 0, [-2, 2, 0.05]),
  optionalSampling('seed', 0),
  optionalSampling('maxTokens', 1),
  optionalNumber('contextLength', [64, 16_777_216]),
  optionalNumber('threads', [1, 1024]),
  optionalNumber('unloadAfterMinutes', [1, 525_600]),
  named({
    id: 'keepPacked',
    section: 'engine',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.keepPacked,
    patch: (_settings, value) => ({ keepPacked: value === true }),
  }),
  named({
    id: 'prefixDiskGb',
    section: 'engine',
    control: { kind: 'number', min: 0, max: 10_000, empty: null },
    initial: 8,
    read: (settings) => settings.prefixDiskGb,
    patch: (_settings, value) => ({ prefixDiskGb: Number(value) }),
  }),
  DOWNLOAD_LIMIT,
  named({
    id: 'checkModelUpdates',
    section: 'downloads',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.checkModelUpdates,
    patch: (_settings, value) => ({ checkModelUpdates: value === true }),
  }),
  named({
    // Its control stands beside the folders, and knows which models can.
    id: 'embeddingModel',
    section: 'knowledge',
    control: { kind: 'model' },
    initial: null,
    read: (settings) => settings.embeddingModel,
    patch: (_settings, value) => ({ embeddingModel: value === null ? '' : String(value) }),
  }),
  named({
    id: 'tools.folder',
    section: 'tools',
    control: {
      kind: 'text',
      rows: 1,
      placeholder: () => t('settings.entries.tools.folder.placeholder'),
    },
    initial: '',
    read: (settings) => settings.tools.folder,
    patch: (settings, value) => ({
      tools: { ...settings.tools, folder: String(value ?? '').trim() },
    }),
  }),
  named({
    id: 'tools.maxRounds',
    section: 'tools',
    control: { kind: 'number', min: 0, max: 100, empty: null },
    initial: 10,
    read: (settings) => settings.tools.maxRounds,
    patch: (settings, value) => ({ tools: { ...settings.tools, maxRounds: Number(value) } }),
  }),
  named({
    id: 'tools.timeoutSeconds',
    section: 'tools',
    control: { kind: 'number', min: 1, max: 3600, empty: null },
    initial: 120,
    read: (settings) => settings.tools.timeoutSeconds,
    patch: (settings, value) => ({ tools: { ...settings.tools, timeoutSeconds: Number(value) } }),
  }),
  named({
    id: 'endpoint.enabled',
    section: 'local-endpoint',
    control: { kind: 'switch' },
    initial: true,
    read: (settings) => settings.endpoint.enabled,
    patch: (settings, value) => ({
      endpoint: { ...settings.endpoint, enabled: value === true },
    }),
  }),
  named({
    id: 'endpoint.port',
    section: 'local-endpoint',
    control: { kind: 'number', min: 1024, max: 65_535, empty: null },
    initial: 11_535,
    read: (settings) => settings.endpoint.port,
    patch: (settings, value) => ({ endpoint: { ...settings.endpoint, port: Number(value) } }),
  }),
  named({
    id: 'endpoint.key',
    section: 'local-endpoint',
    control: { kind: 'key' },
    initial: null,
    read: (settings) => settings.endpoint.key,
    // An empty key asks for a new one.
    patch: (settings, value) => ({ endpoint: { ...settings.endpoint, key: String(value ?? '') } }),
  }),
  named({
    id: 'endpoint.fetchPictures',
    section: 'local-endpoint',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.endpoint.fetchPictures,
    patch: (settings, value) => ({
      endpoint: { ...settings.endpoint, fetchPictures: value === true },
    }),
  }),
  named({
    id: 'endpoint.allowedOrigins',
    section: 'local-endpoint',
    control: {
      kind: 'text',
      rows: 2,
      placeholder: () => t('settings.entries.endpoint.allowedOrigins.placeholder'),
    },
    initial: '',
    read: (settings) => settings.endpoint.allowedOrigins.join('\n'),
    patch: (settings, value) => ({
      endpoint: { ...settings.endpoint, allowedOrigins: lines(String(value ?? '')) },
    }),
  }),
  named({
    id: 'endpoint.lan',
    section: 'local-endpoint',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.endpoint.lan,
    patch: (settings, value) => ({ endpoint: { ...settings.endpoint, lan: value === true } }),
  }),
  ...DESKTOP_SETTINGS,
];

/** The lines that say something. */
function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
