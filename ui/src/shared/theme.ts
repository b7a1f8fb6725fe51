/** Puts the chosen theme on the page. The colours themselves are in `styles/tokens.css`. */
import type { Theme } from '../backend/types';

export function applyTheme(theme: Theme, root: HTMLElement = document.documentElement): void {
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
}
