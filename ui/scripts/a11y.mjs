/** axe-core over every state in both themes; also fails on script errors and on violations of the policy. Arguments: names of states (default: all). */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { STATES, onStage } from './browser.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const findings = [];
const wanted = process.argv.slice(2);

const complaints = await onStage(async (open) => {
  for (const [name, { demo, act }] of Object.entries(STATES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    for (const theme of ['light', 'dark']) {
      const page = await open({ demo, theme });
      await act?.(page);
      await page.waitForTimeout(50);
      // The content security policy forbids injected scripts, so axe comes in through the debugger.
      const source = readFileSync(axe, 'utf8');
      await page.evaluate(source);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const { id, help, nodes } of violations) {
        for (const node of nodes) {
          const why = [...node.any, ...node.all, ...node.none].map(({ message }) => message);
          findings.push(
            `${name} (${theme}): ${id}: ${help}\n    ${node.html.slice(0, 160)}\n    ${why.join('; ')}`,
          );
        }
      }
      await page.context().close();
    }
  }
});

const all = [...new Set([...findings, ...complaints])];
for (const finding of all) console.error(finding);
const states = Object.keys(STATES).length;
if (all.length > 0) {
  console.error(`${all.length} findings in ${states} states and two themes.`);
  process.exit(1);
}
console.log(`No findings in ${states} states and two themes.`);
