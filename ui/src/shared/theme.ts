/** Puts the chosen looks on the page. Colours, sizes and durations themselves are in `styles/tokens.css`. */
import type { DesktopSettings, Theme } from '../backend/types';

export function applyTheme(theme: Theme, root: HTMLElement = document.documentElement): void {
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
}

export function applyLooks(
  desktop: DesktopSettings | undefined,
  root: HTMLElement = document.documentElement,
): void {
  if (desktop?.density === 'compact') root.dataset.density = 'compact';
  else delete root.dataset.density;
  if (desktop?.reduceMotion) root.dataset.motion = 'reduced';
  else delete root.dataset.motion;
}
