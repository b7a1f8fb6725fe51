/** Words of the window inside of what is rendered as HTML. */
import { t, type Key, type Values } from '../i18n';
import { escapeHtml } from './escape';

/** A text, safe in HTML and in its attributes. */
export function words(key: Key, values?: Values): string {
  return escapeHtml(t(key, values));
}
