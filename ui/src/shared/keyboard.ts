/** Keyboard shortcuts of the window, under Ctrl or, on a Mac, ⌘. */
import { t } from './i18n';
const MAC = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? '');

/** How a shortcut is written on this system. */
export function shortcut(key: string): string {
  return MAC ? `⌘${key}` : `${t('common.keys.ctrl')} ${key}`;
}

/** The key pressed together with Ctrl or ⌘ and nothing else, in lower case. */
export function commandKey(event: KeyboardEvent): string | null {
  const command = MAC ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
  return command && !event.altKey && !event.shiftKey ? event.key.toLowerCase() : null;
}

/** Whether an input method is at work: then Enter belongs to it. WebKit says so by key code alone. */
export function isComposing(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}
