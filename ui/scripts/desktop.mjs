/** States of what is about the desktop: the palette, the shortcuts, the first steps, other windows. */
const byId = (name) => `[data-testid="${name}"]`;

const toStep = (step) => async (page) => {
  await page.waitForSelector(byId('first-run'));
  for (let at = 1; at < step; at += 1) await page.click(byId('first-run-next'));
  await page.waitForSelector(`[data-step="${step}"]`);
};

export const DESKTOP_STATES = {
  palette: {
    act: async (page) => {
      await page.keyboard.press('Control+k');
      await page.waitForSelector(byId('palette-option'));
    },
  },
  'palette-search': {
    act: async (page) => {
      await page.keyboard.press('Control+k');
      await page.fill(byId('palette-input'), 'the');
      await page.keyboard.press('ArrowDown');
    },
  },
  'palette-nothing': {
    act: async (page) => {
      await page.keyboard.press('Control+k');
      await page.fill(byId('palette-input'), 'xyzzyq');
    },
  },
  shortcuts: {
    act: async (page) => {
      await page.keyboard.press('Control+/');
      await page.waitForSelector(byId('shortcut'));
    },
  },
  'first-steps': { demo: 'first-steps', act: toStep(1) },
  'first-steps-model': {
    demo: 'first-steps',
    act: async (page) => {
      await toStep(2)(page);
      await page.waitForSelector(byId('catalogue-card'));
    },
  },
  'first-steps-here': { demo: 'first-steps-starter', act: toStep(2) },
  'first-steps-chat': { demo: 'first-steps-starter', act: toStep(3) },
  'settings-desktop': {
    demo: 'failing',
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.waitForSelector(byId('desktop-status'));
      await page.locator('#section-desktop').scrollIntoViewIfNeeded();
    },
  },
  compact: {
    act: async (page) => {
      await page.keyboard.press('Control+k');
      await page.fill(byId('palette-input'), 'less room');
      await page.keyboard.press('Enter');
      await page.waitForSelector('[data-density="compact"]');
      await page.keyboard.press('Alt+ArrowDown');
      await page.waitForSelector(byId('message-assistant'));
    },
  },
  'own-window': {
    demo: 'own-window',
    act: (page) => page.waitForSelector(byId('message-assistant')),
  },
  'proposed-model': {
    act: async (page) => {
      const repo = 'Qwen/Qwen3-4B-GGUF';
      await page.evaluate((event) => globalThis.demoShell(event), {
        type: 'propose_model',
        repo,
        file: 'Qwen3-4B-Q4_K_M.gguf',
      });
      await page.waitForSelector(byId('fetch-repo'));
    },
  },
  quick: { demo: 'quick' },
  'quick-answer': {
    demo: 'quick',
    act: async (page) => {
      await page.fill(byId('quick-input'), 'Explain how a lighthouse lens works.');
      await page.press(byId('quick-input'), 'Enter');
      await page.waitForSelector(`${byId('quick-answer')}[data-status="complete"]`);
    },
  },
};
