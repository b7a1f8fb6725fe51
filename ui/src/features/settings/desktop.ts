/** The settings of the desktop and of how windows look, as entries of the registry. */
import type { DesktopPatch, DesktopSettings } from '../../backend/types';
import type { Control, Section, SettingEntry, SettingValue } from './registry';

type Field = Exclude<keyof DesktopSettings, 'firstRunDone'>;

function entry(
  field: Field,
  section: Section,
  label: string,
  help: string,
  control: Control,
  initial: SettingValue,
): SettingEntry {
  return {
    id: `desktop.${field}`,
    section,
    label,
    help,
    control,
    initial,
    read: (settings) => settings.desktop[field],
    patch: (_settings, value) => ({ desktop: { [field]: value } as DesktopPatch }),
  };
}

const SWITCH: Control = { kind: 'switch' };

export const DESKTOP_SETTINGS: SettingEntry[] = [
  entry(
    'zoom',
    'Appearance',
    'Size',
    'Of everything in the windows, in percent.',
    { kind: 'number', min: 50, max: 300, empty: null },
    100,
  ),
  entry(
    'density',
    'Appearance',
    'Density',
    'How much room there is between things.',
    {
      kind: 'choice',
      options: [
        ['comfortable', 'Comfortable'],
        ['compact', 'Compact'],
      ],
    },
    'comfortable',
  ),
  entry(
    'reduceMotion',
    'Appearance',
    'Move nothing',
    'Nothing slides or fades. Where the system asks for that, it is so without this switch.',
    SWITCH,
    false,
  ),
  entry(
    'spellCheck',
    'Desktop',
    'Check spelling',
    'Marks words that the system’s dictionaries do not know, as you write. It happens on this computer.',
    SWITCH,
    true,
  ),
  entry(
    'notify',
    'Desktop',
    'Tell me when something is done',
    'A notification when an answer took long or a download ended, while no window of Lantern has the focus. It never shows what was written.',
    SWITCH,
    true,
  ),
  entry(
    'quickShortcut',
    'Desktop',
    'Keys for a quick question',
    'Call a small window from anywhere. None until you choose some.',
    { kind: 'keys' },
    '',
  ),
  entry(
    'closeToTray',
    'Desktop',
    'Keep running in the tray',
    'Closing the window leaves Lantern in the tray, with its endpoint and its downloads. Where there is no tray, closing ends it.',
    SWITCH,
    false,
  ),
  entry(
    'autostart',
    'Desktop',
    'Start with the computer',
    'Starts when you log in: in the tray if it may keep running there, else with its window.',
    SWITCH,
    false,
  ),
];
