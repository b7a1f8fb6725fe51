/** The settings of the desktop and of how windows look, as entries of the registry. */
import type { DesktopPatch, DesktopSettings } from '../../backend/types';
import { t } from '../../shared/i18n';
import { named, type Control, type Section, type SettingEntry, type SettingValue } from './entry';

type Field = Exclude<keyof DesktopSettings, 'firstRunDone'>;

function entry(
  field: Field,
  section: Section,
  control: Control,
  initial: SettingValue,
): SettingEntry {
  return named({
    id: `desktop.${field}`,
    section,
    control,
    initial,
    read: (settings) => settings.desktop[field],
    patch: (_settings, value) => ({ desktop: { [field]: value } as DesktopPatch }),
  });
}

const SWITCH: Control = { kind: 'switch' };

export const DESKTOP_SETTINGS: SettingEntry[] = [
  entry('zoom', 'appearance', { kind: 'number', min: 50, max: 300, empty: null }, 100),
  entry(
    'density',
    'appearance',
    {
      kind: 'choice',
      options: [
        ['comfortable', () => t('settings.entries.desktop.density.options.comfortable')],
        ['compact', () => t('settings.entries.desktop.density.options.compact')],
      ],
    },
    'comfortable',
  ),
  entry('reduceMotion', 'appearance', SWITCH, false),
  entry('spellCheck', 'desktop', SWITCH, true),
  entry('notify', 'desktop', SWITCH, true),
  entry('quickShortcut', 'desktop', { kind: 'keys' }, ''),
  entry('closeToTray', 'desktop', SWITCH, false),
  entry('autostart', 'desktop', SWITCH, false),
];
