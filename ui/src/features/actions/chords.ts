/**
 * Keys pressed together, written as `Mod+Shift+F`: `Mod` is ⌘ on a Mac and Ctrl elsewhere. The key itself is what it
 * writes (`K`, `,`, `?`) or its name (`ArrowUp`, `Escape`).
 */
import { t, type Key } from '../../shared/i18n';

export interface Chord {
  mod: boolean;
  shift: boolean;
  alt: boolean;
  key: string;
}

const MAC = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? '');

export const isMac = (): boolean => MAC;

const SIGNS: Record<string, string> = {
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
};

/** Keys whose names are words. */
const NAMES: Record<string, Key> = {
  Enter: 'common.keys.enter',
  Escape: 'common.keys.escape',
  ' ': 'common.keys.space',
};

function nameOf(key: string): string {
  const name = NAMES[key];
  return name ? t(name) : (SIGNS[key] ?? key);
}

export function parseChord(text: string): Chord {
  // The last plus of `Mod++` is the key.
  const key = text.endsWith('++') ? '+' : (text.split('+').at(-1) ?? '');
  const held = text.slice(0, text.length - key.length).split('+');
  return {
    mod: held.includes('Mod'),
    shift: held.includes('Shift'),
    alt: held.includes('Alt'),
    key,
  };
}

/** Whether these keys were pressed, and no others with them. */
export function isPressed(chord: Chord, event: KeyboardEvent, mac: boolean = isMac()): boolean {
  const mod = mac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  const none = !event.metaKey && !event.ctrlKey;
  // Where a sign like `?` needs Shift is the keyboard's business.
  const shiftCounts = chord.shift || /^[a-z0-9]$|^.{2,}$/i.test(chord.key);
  return (
    (chord.mod ? mod : none) &&
    event.altKey === chord.alt &&
    (!shiftCounts || event.shiftKey === chord.shift) &&
    event.key.toLowerCase() === chord.key.toLowerCase()
  );
}

/** The keys one by one, as this system writes them. */
export function keyCaps(chord: Chord, mac: boolean = isMac()): string[] {
  const caps: string[] = [];
  if (chord.mod) caps.push(mac ? '⌘' : t('common.keys.ctrl'));
  if (chord.alt) caps.push(mac ? '⌥' : t('common.keys.alt'));
  if (chord.shift) caps.push(mac ? '⇧' : t('common.keys.shift'));
  caps.push(nameOf(chord.key));
  return caps;
}

/** For `aria-keyshortcuts`. */
export function ariaKeys(chord: Chord, mac: boolean = isMac()): string {
  const held = [
    chord.mod ? (mac ? 'Meta' : 'Control') : '',
    chord.alt ? 'Alt' : '',
    chord.shift ? 'Shift' : '',
  ];
  return [...held.filter((key) => key !== ''), chord.key].join('+');
}

/** Whether a key without Ctrl or ⌘ belongs to whoever writes. */
export function isWriting(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  const button =
    target instanceof HTMLInputElement && /^(button|checkbox|radio|range)$/.test(target.type);
  return (target.matches('input, textarea, select') && !button) || target.isContentEditable;
}
