/** Tells the shell that the page can be used: once it is painted, or soon after where nothing is painted because it is hidden. */
import type { Backend } from './backend';

/** Milliseconds that a hidden window waits for a frame that does not come. */
const PATIENCE = 1000;

export function tellReady(backend: Backend): void {
  let told = false;
  const tell = () => {
    if (told) return;
    told = true;
    // Whoever listens only measures and tidies up: nothing here depends on it.
    backend.pageReady().catch(() => {});
  };
  requestAnimationFrame(() => setTimeout(tell, 0));
  setTimeout(tell, PATIENCE);
}
