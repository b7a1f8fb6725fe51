/**
 * Pictures of every state, in both themes and two sizes, into `shots/`. Arguments: names of states (default: all);
 * `--language=de` puts the window into a language.
 */
import { mkdirSync } from 'node:fs';
import { STATES, onStage } from './browser.mjs';

const SIZES = { wide: [1280, 800], small: [800, 600] };
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const language = process.argv.find((word) => word.startsWith('--language='))?.split('=')[1];
mkdirSync('shots', { recursive: true });

/** In the page: until colours have changed, which takes a busy machine longer than they are meant to take. */
const settled = () =>
  Promise.race([
    Promise.all(document.getAnimations().map(({ finished }) => finished.catch(() => {}))),
    new Promise((resolve) => setTimeout(resolve, 1000)),
  ]);

const complaints = await onStage(async (open) => {
  for (const [name, { demo, act }] of Object.entries(STATES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    for (const [label, size] of Object.entries(SIZES)) {
      const page = await open({ demo, size, language });
      try {
        await act?.(page);
        await page.waitForTimeout(80);
      } catch (error) {
        console.log(`${name}-${label}: ${error.message}`);
      }
      for (const theme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: theme });
        await page.waitForTimeout(50);
        await page.evaluate(settled);
        const spoken = language ? `${language}-` : '';
        await page.screenshot({ path: `shots/${spoken}${name}-${theme}-${label}.png` });
      }
      await page.context().close();
    }
  }
});
for (const complaint of complaints) console.log(complaint);
