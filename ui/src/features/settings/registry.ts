/**
 * Every setting, once: what it is called, what it does, how it is chosen, where it lives in `Settings`, and its
 * default. The settings page draws itself from this list. Limits are checked by the application; those here only
 * shape the controls.
 */
import type { SamplingSettings, Settings, SettingsPatch } from '../../backend/types';
import { LANGUAGES, TAGS, type Tag } from '../../shared/i18n';
import { TESTID } from '../../shared/testids';
import { DESKTOP_SETTINGS } from './desktop';

export type SettingValue = string | number | boolean | null;

export type Control =
  | { kind: 'choice'; options: [value: string, label: string][]; testid?: string }
  | { kind: 'model' }
  | { kind: 'text'; rows: number; placeholder: string }
  | { kind: 'slider'; min: number; max: number; step: number }
  | { kind: 'number'; min: number; max: number; empty: string | null }
  | { kind: 'switch' }
  | { kind: 'key' }
  | { kind: 'keys' };

export type Section =
  | 'Appearance'
  | 'Desktop'
  | 'Conversations'
  | 'Sampling'
  | 'Engine'
  | 'Downloads'
  | 'Knowledge'
  | 'Tools'
  | 'Local endpoint';

export interface SettingEntry {
  /** Where it lives, as in the stored JSON. */
  id: string;
  section: Section;
  label: string;
  help: string;
  control: Control;
  initial: SettingValue;
  read(settings: Settings): SettingValue;
  patch(settings: Settings, value: SettingValue): SettingsPatch;
}

export const SECTIONS: { name: Section; lead: string }[] = [
  { name: 'Appearance', lead: 'How Lantern looks.' },
  { name: 'Desktop', lead: 'How Lantern lives among your other programs.' },
  { name: 'Conversations', lead: 'What every new conversation begins with.' },
  {
    name: 'Sampling',
    lead: 'How the next word is chosen. Changes apply to the next answer; no model is reloaded.',
  },
  {
    name: 'Engine',
    lead: 'How much of this computer a model may use. A change takes effect with the next answer, for which the model is loaded again.',
  },
  { name: 'Downloads', lead: 'How models come from the Hub.' },
  { name: 'Tools', lead: 'What models may do when they call tools. Each call asks first.' },
  {
    name: 'Knowledge',
    lead: 'Folders that conversations can search. Lantern reads text, code, Markdown, web pages, PDF, Word, CSV and Excel files in them, and reads them again when they change. Nothing leaves this computer.',
  },
  {
    name: 'Local endpoint',
    lead: 'Lets other programs on this computer use your models through the OpenAI protocol. It asks for a key, and listens on 127.0.0.1 only unless you say otherwise.',
  },
];

function named(tag: Tag): [Tag, string] {
  return [tag, LANGUAGES[tag].name];
}

type Numeric = Exclude<keyof SamplingSettings, 'seed' | 'maxTokens'>;

function sampling(
  field: Numeric,
  label: string,
  help: string,
  initial: number,
  [min, max, step]: [number, number, number],
): SettingEntry {
  return {
    id: `sampling.${field}`,
    section: 'Sampling',
    label,
    help,
    control: { kind: 'slider', min, max, step },
    initial,
    read: (settings) => settings.sampling[field],
    patch: (settings, value) => ({
      sampling: { ...settings.sampling, [field]: Number(value) },
    }),
  };
}

function optionalSampling(
  field: 'seed' | 'maxTokens',
  label: string,
  help: string,
  empty: string,
  min: number,
): SettingEntry {
  return {
    id: `sampling.${field}`,
    section: 'Sampling',
    label,
    help,
    control: { kind: 'number', min, max: 4_294_967_295, empty },
    initial: null,
    read: (settings) => settings.sampling[field],
    patch: (settings, value) => ({
      sampling: { ...settings.sampling, [field]: value === null ? null : Number(value) },
    }),
  };
}

/** Numbers that are cleared by sending 0. */
function optionalNumber(
  field: 'contextLength' | 'threads' | 'unloadAfterMinutes',
  label: string,
  help: string,
  empty: string,
  [min, max]: [number, number],
): SettingEntry {
  return {
    id: field,
    section: 'Engine',
    label,
    help,
    control: { kind: 'number', min, max, empty },
    initial: null,
    read: (settings) => settings[field],
    patch: (_settings, value) => ({ [field]: value === null ? 0 : Number(value) }),
  };
}

/** Stored in bytes a second. It stands on the page of downloads, too. */
export const DOWNLOAD_LIMIT: SettingEntry = {
  id: 'downloadBytesPerSecond',
  section: 'Downloads',
  label: 'Speed limit',
  help: 'Megabytes a second that all downloads together may take.',
  control: { kind: 'number', min: 1, max: 4294, empty: 'No limit' },
  initial: null,
  read: ({ downloadBytesPerSecond }) =>
    downloadBytesPerSecond === null ? null : downloadBytesPerSecond / 1_000_000,
  patch: (_settings, value) => ({
    downloadBytesPerSecond: value === null ? 0 : Math.round(Number(value) * 1_000_000),
  }),
};

export const SETTINGS: SettingEntry[] = [
  {
    id: 'theme',
    section: 'Appearance',
    label: 'Theme',
    help: 'Light, dark, or as the system says.',
    control: {
      kind: 'choice',
      testid: TESTID.themeSelect,
      options: [
        ['system', 'As the system'],
        ['light', 'Light'],
        ['dark', 'Dark'],
      ],
    },
    initial: 'system',
    read: (settings) => settings.theme,
    patch: (_settings, value) => ({ theme: value as Settings['theme'] }),
  },
  {
    id: 'language',
    section: 'Appearance',
    label: 'Language',
    help: 'Of the windows. What models write does not depend on it.',
    control: {
      kind: 'choice',
      testid: TESTID.languageSelect,
      options: [['system', 'As the system'], ...TAGS.map(named)],
    },
    initial: 'system',
    read: (settings) => settings.language,
    patch: (_settings, value) => ({ language: value as Settings['language'] }),
  },
  {
    id: 'defaultModel',
    section: 'Conversations',
    label: 'Default model',
    help: 'Answers in every conversation where you have not picked another.',
    control: { kind: 'model' },
    initial: null,
    read: (settings) => settings.defaultModel,
    patch: (_settings, value) => ({ defaultModel: value === null ? '' : String(value) }),
  },
  {
    id: 'systemPrompt',
    section: 'Conversations',
    label: 'System prompt',
    help: 'Instructions that stand before every conversation. Leave it empty to say nothing.',
    control: {
      kind: 'text',
      rows: 4,
      placeholder: 'For example: Answer briefly, in British English.',
    },
    initial: '',
    read: (settings) => settings.systemPrompt,
    patch: (_settings, value) => ({ systemPrompt: String(value ?? '') }),
  },
  {
    id: 'overflow',
    section: 'Conversations',
    label: 'When a conversation gets too long',
    help: 'What happens once it no longer fits the context. The oldest messages stay in the conversation, but the model does not see them, or sees a summary that it writes first; the answer says so.',
    control: {
      kind: 'choice',
      options: [
        ['drop_oldest', 'Go on without the oldest messages'],
        ['summarise', 'Go on with a summary of the oldest messages'],
        ['error', 'Stop with an error'],
      ],
    },
    initial: 'drop_oldest',
    read: (settings) => settings.overflow,
    patch: (_settings, value) => ({ overflow: value as Settings['overflow'] }),
  },
  {
    id: 'writeTitles',
    section: 'Conversations',
    label: 'Titles by the model',
    help: 'After the first answer the model writes a title, when nothing else wants it. A title of yours always stays.',
    control: { kind: 'switch' },
    initial: true,
    read: (settings) => settings.writeTitles,
    patch: (_settings, value) => ({ writeTitles: value === true }),
  },
  sampling(
    'temperature',
    'Temperature',
    'Low values stay close to the likeliest words, high values wander. 0 always takes the likeliest.',
    0.7,
    [0, 2, 0.05],
  ),
  sampling(
    'topK',
    'Top k',
    'Considers only the k likeliest tokens. 0 considers all.',
    40,
    [0, 200, 1],
  ),
  sampling(
    'topP',
    'Top p',
    'Considers the likeliest tokens until their probabilities add up to this.',
    0.95,
    [0.05, 1, 0.01],
  ),
  sampling(
    'minP',
    'Min p',
    'Leaves out tokens less likely than this share of the likeliest one.',
    0.05,
    [0, 1, 0.01],
  ),
  sampling(
    'repeatPenalty',
    'Repeat penalty',
    'Makes recent tokens less likely. 1 is off.',
    1,
    [1, 2, 0.01],
  ),
  sampling(
    'presencePenalty',
    'Presence penalty',
    'Subtracted once for any token already used. 0 is off.',
    0,
    [-2, 2, 0.05],
  ),
  sampling(
    'frequencyPenalty',
    'Frequency penalty',
    'Subtracted for every use of a token. 0 is off.',
    0,
    [-2, 2, 0.05],
  ),
  optionalSampling(
    'seed',
    'Seed',
    'The same seed gives the same answer to the same question.',
    'Random',
    0,
  ),
  optionalSampling(
    'maxTokens',
    'Longest answer',
    'In tokens; a token is about three quarters of a word.',
    'Up to the context',
    1,
  ),
  optionalNumber(
    'contextLength',
    'Context length',
    'Tokens a conversation may hold. More takes more memory. Automatic takes the model’s own limit, at most 8192.',
    'Automatic',
    [64, 16_777_216],
  ),
  optionalNumber(
    'threads',
    'Threads',
    'Processor threads that compute. Automatic takes the fast cores.',
    'Automatic',
    [1, 1024],
  ),
  optionalNumber(
    'unloadAfterMinutes',
    'Free memory after',
    'Minutes after which a model that nobody uses leaves the memory. The next question loads it again.',
    'Never',
    [1, 525_600],
  ),
  {
    id: 'keepPacked',
    section: 'Engine',
    label: 'Load models faster',
    help: 'Keeps a copy of each model’s weights as they lie in memory, made when the model is loaded next. It takes as much disk again as the model; turning this off deletes the copies.',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.keepPacked,
    patch: (_settings, value) => ({ keepPacked: value === true }),
  },
  {
    id: 'prefixDiskGb',
    section: 'Engine',
    label: 'Disk for long conversations',
    help: 'Gigabytes that may keep what was computed of conversations and requests, so that a long one goes on at once after a restart. What was used least recently goes first, and a deleted conversation takes its own along. 0 keeps nothing and deletes what was kept.',
    control: { kind: 'number', min: 0, max: 10_000, empty: null },
    initial: 8,
    read: (settings) => settings.prefixDiskGb,
    patch: (_settings, value) => ({ prefixDiskGb: Number(value) }),
  },
  DOWNLOAD_LIMIT,
  {
    id: 'checkModelUpdates',
    section: 'Downloads',
    label: 'Look for newer models',
    help: 'Asks the Hub once a day whether models have a newer revision, and tells you. Off, nothing is asked.',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.checkModelUpdates,
    patch: (_settings, value) => ({ checkModelUpdates: value === true }),
  },
  {
    // Its control stands beside the folders, and knows which models can.
    id: 'embeddingModel',
    section: 'Knowledge',
    label: 'Find by meaning',
    help: 'The model that makes vectors of passages, so that they are found by meaning and not by words alone.',
    control: { kind: 'model' },
    initial: null,
    read: (settings) => settings.embeddingModel,
    patch: (_settings, value) => ({ embeddingModel: value === null ? '' : String(value) }),
  },
  {
    id: 'tools.folder',
    section: 'Tools',
    label: 'Folder that models may look into',
    help: 'The full path of a folder. Models can ask to list, read and search its files, and nothing outside it. Empty, there are no such tools.',
    control: { kind: 'text', rows: 1, placeholder: 'None' },
    initial: '',
    read: (settings) => settings.tools.folder,
    patch: (settings, value) => ({
      tools: { ...settings.tools, folder: String(value ?? '').trim() },
    }),
  },
  {
    id: 'tools.maxRounds',
    section: 'Tools',
    label: 'Rounds of calls',
    help: 'How often one answer may call tools and go on by itself. Then it waits for you.',
    control: { kind: 'number', min: 0, max: 100, empty: null },
    initial: 10,
    read: (settings) => settings.tools.maxRounds,
    patch: (settings, value) => ({ tools: { ...settings.tools, maxRounds: Number(value) } }),
  },
  {
    id: 'tools.timeoutSeconds',
    section: 'Tools',
    label: 'Time for a call',
    help: 'Seconds that a tool may take before its call is given up.',
    control: { kind: 'number', min: 1, max: 3600, empty: null },
    initial: 120,
    read: (settings) => settings.tools.timeoutSeconds,
    patch: (settings, value) => ({ tools: { ...settings.tools, timeoutSeconds: Number(value) } }),
  },
  {
    id: 'endpoint.enabled',
    section: 'Local endpoint',
    label: 'Listen for other programs',
    help: 'Turn it off and nothing listens.',
    control: { kind: 'switch' },
    initial: true,
    read: (settings) => settings.endpoint.enabled,
    patch: (settings, value) => ({
      endpoint: { ...settings.endpoint, enabled: value === true },
    }),
  },
  {
    id: 'endpoint.port',
    section: 'Local endpoint',
    label: 'Port',
    help: 'Where it listens on 127.0.0.1.',
    control: { kind: 'number', min: 1024, max: 65_535, empty: null },
    initial: 11_535,
    read: (settings) => settings.endpoint.port,
    patch: (settings, value) => ({ endpoint: { ...settings.endpoint, port: Number(value) } }),
  },
  {
    id: 'endpoint.key',
    section: 'Local endpoint',
    label: 'Key',
    help: 'Programs send it as the API key. A new key shuts out whoever has the old one.',
    control: { kind: 'key' },
    initial: null,
    read: (settings) => settings.endpoint.key,
    // An empty key asks for a new one.
    patch: (settings, value) => ({ endpoint: { ...settings.endpoint, key: String(value ?? '') } }),
  },
  {
    id: 'endpoint.fetchPictures',
    section: 'Local endpoint',
    label: 'Fetch pictures from the web',
    help: 'Programs may name a picture by its address instead of sending it. Off, nothing is fetched.',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.endpoint.fetchPictures,
    patch: (settings, value) => ({
      endpoint: { ...settings.endpoint, fetchPictures: value === true },
    }),
  },
  {
    id: 'endpoint.allowedOrigins',
    section: 'Local endpoint',
    label: 'Web pages that may use it',
    help: 'Origins as the browser writes them, one a line, such as https://example.org. They need a key as well. All other pages are refused.',
    control: { kind: 'text', rows: 2, placeholder: 'None' },
    initial: '',
    read: (settings) => settings.endpoint.allowedOrigins.join('\n'),
    patch: (settings, value) => ({
      endpoint: { ...settings.endpoint, allowedOrigins: lines(String(value ?? '')) },
    }),
  },
  {
    id: 'endpoint.lan',
    section: 'Local endpoint',
    label: 'Let other devices in',
    help: 'Listens for all devices of your network, not just this computer. They need a key, but what they send is not encrypted: turn it on only where you trust the network.',
    control: { kind: 'switch' },
    initial: false,
    read: (settings) => settings.endpoint.lan,
    patch: (settings, value) => ({ endpoint: { ...settings.endpoint, lan: value === true } }),
  },
  ...DESKTOP_SETTINGS,
];

/** The lines that say something. */
function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
