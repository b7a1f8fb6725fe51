/** Pictures of every state, in both themes and two sizes, into `shots/`. Arguments: names of states (default: all). */
import { mkdirSync } from 'node:fs';
import { STATES, onStage } from './browser.mjs';

const SIZES = { wide: [1280, 800], small: [800, 600] };
const wanted = process.argv.slice(2);
mkdirSync('shots', { recursive: true });

const complaints = await onStage(async (open) => {
  for (const [name, { demo, act }] of Object.entries(STATES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    for (const theme of ['light', 'dark']) {
      for (const [label, size] of Object.entries(SIZES)) {
        const page = await open({ demo, theme, size });
        await act?.(page);
        await page.waitForTimeout(80);
        await page.screenshot({ path: `shots/${name}-${theme}-${label}.png` });
        await page.context().close();
      }
    }
  }
});
for (const complaint of complaints) console.log(complaint);
