/** States at the edges of views: empty, failing, refused, being written, asked about. */
const byId = (name) => `[data-testid="${name}"]`;

async function showSidebar(page) {
  if ((await page.locator(byId('sidebar')).count()) === 0) await page.click(byId('sidebar-toggle'));
}

async function openFirst(page) {
  await showSidebar(page);
  await page.click(`${byId('conversation-row')} >> nth=0 >> ${byId('conversation-open')}`);
  await page.waitForSelector(byId('message-assistant'));
  await page.waitForTimeout(150);
}

async function openTab(page, tab) {
  await showSidebar(page);
  await page.click(byId('nav-models'));
  await page.click(`[data-tab="${tab}"]`);
}

async function openAssistants(page, tab = 'assistants') {
  await showSidebar(page);
  await page.click(byId('nav-assistants'));
  await page.click(`[data-tab="${tab}"]`);
}

/** A part of the settings, by its name in `SettingsView`. */
const settingsAt = (part) => async (page) => {
  await page.keyboard.press('Control+,');
  await page.click(`[data-part="part-${part}"]`);
};

async function compareTwo(page) {
  await openTab(page, 'compare');
  await page.selectOption(byId('compare-a'), { index: 1 });
  await page.selectOption(byId('compare-b'), { index: 2 });
  await page.click(byId('compare-start'));
}

const PARTS = [
  'conversations',
  'sampling',
  'engine',
  'downloads',
  'tools',
  'local-endpoint',
  'tool-servers',
];

export const REST_STATES = {
  ...Object.fromEntries(PARTS.map((part) => [`settings-${part}`, { act: settingsAt(part) }])),
  'settings-first': { demo: 'first-run', act: settingsAt('knowledge') },
  'settings-first-servers': { demo: 'first-run', act: settingsAt('programs') },
  'search-nothing': {
    act: async (page) => {
      await page.keyboard.press('Control+Shift+F');
      await page.fill(byId('search'), 'noth');
      await page.waitForTimeout(400);
    },
  },
  'search-refused': {
    demo: 'lost',
    act: async (page) => {
      await page.keyboard.press('Control+Shift+F');
      await page.fill(byId('search'), 'light');
      await page.waitForTimeout(400);
    },
  },
  rename: {
    act: async (page) => {
      await showSidebar(page);
      await page.hover(`${byId('conversation-row')} >> nth=1`);
      await page.click(`${byId('conversation-more')} >> nth=1`);
      await page.click(byId('conversation-rename'));
      await page.waitForSelector(byId('conversation-rename-input'));
    },
  },
  'conversation-delete': {
    act: async (page) => {
      await showSidebar(page);
      await page.hover(`${byId('conversation-row')} >> nth=1`);
      await page.click(`${byId('conversation-more')} >> nth=1`);
      await page.click(byId('conversation-delete'));
      await page.waitForSelector(byId('confirm-dialog'));
    },
  },
  'folder-menu': {
    act: async (page) => {
      await showSidebar(page);
      await page.hover(`${byId('folder-toggle-conversations')} >> nth=0`);
      await page.click(`${byId('folder-menu')} >> nth=0`);
      await page.waitForSelector(byId('conversation-menu'));
    },
  },
  edit: {
    act: async (page) => {
      await openFirst(page);
      await page.click(`${byId('message-edit')} >> nth=-1`);
      await page.waitForSelector(byId('message-edit-input'));
    },
  },
  thinking: {
    act: async (page) => {
      await openFirst(page);
      await page.click('[aria-label="Previous version"] >> nth=-1');
      await page.click(byId('thinking-toggle'));
    },
  },
  'artifact-source': {
    demo: 'rich',
    act: async (page) => {
      await openFirst(page);
      await page.click('[data-preview="html"]');
      await page.click(`${byId('artifact-tab')} >> nth=1`);
    },
  },
  'receipt-refused': {
    demo: 'lost',
    act: async (page) => {
      await openFirst(page);
      await page.click(`${byId('answer-menu')} >> nth=-1`);
      await page.click(byId('answer-receipt'));
      await page.waitForSelector(`${byId('receipt')} ${byId('error-card')}`);
    },
  },
  'citation-refused': {
    demo: 'lost',
    act: async (page) => {
      await showSidebar(page);
      await page.click(`${byId('conversation-row')} >> nth=1 >> ${byId('conversation-open')}`);
      await page.click(`[data-cite="1"] >> nth=0`);
      await page.waitForSelector(`${byId('preview')} ${byId('error-card')}`);
    },
  },
  'knowledge-none': {
    demo: 'first-run',
    act: async (page) => page.click(byId('knowledge-menu')),
  },
  'tool-menu-few': {
    demo: 'first-run',
    act: async (page) => page.click(byId('tool-menu')),
  },
  'models-none': { demo: 'first-run', act: (page) => openTab(page, 'library') },
  'load-refused': {
    demo: 'failing',
    act: async (page) => {
      await openTab(page, 'library');
      await page.click(`${byId('model-load')} >> nth=0`);
      await page.waitForSelector('[data-code="model_too_large"]');
    },
  },
  'model-refused': {
    demo: 'lost',
    act: async (page) => {
      await openTab(page, 'library');
      await page.click(`${byId('model-show')} >> nth=0`);
      await page.waitForSelector(`${byId('model-view')} ${byId('error-card')}`);
    },
  },
  'repository-refused': {
    demo: 'lost',
    act: async (page) => {
      await openTab(page, 'find');
      await page.fill(byId('search-text'), 'qwen');
      await page.press(byId('search-text'), 'Enter');
      await page.click(`${byId('search-open')} >> nth=1`);
      await page.waitForSelector(byId('error-card'));
    },
  },
  'downloads-end': {
    demo: 'queue',
    act: async (page) => {
      await openTab(page, 'downloads');
      await page.locator(`${byId('download')} >> nth=-1`).scrollIntoViewIfNeeded();
    },
  },
  'disk-refused': {
    demo: 'lost',
    act: async (page) => {
      await openTab(page, 'disk');
      await page.waitForSelector(`${byId('disk-view')} ${byId('error-card')}`);
    },
  },
  'compare-none': { demo: 'first-run', act: (page) => openTab(page, 'compare') },
  'compare-refused': {
    demo: 'failing',
    act: async (page) => {
      await compareTwo(page);
      await page.waitForSelector(`${byId('compare-view')} ${byId('error-card')}`);
    },
  },
  'compare-end': {
    act: async (page) => {
      await compareTwo(page);
      await page.waitForSelector(byId('compare-result'));
      await page.locator(byId('compare-result')).evaluate((card) => card.scrollIntoView(false));
    },
  },
  'model-file': {
    act: async (page) => {
      await page.evaluate(() => globalThis.demoDrag('drop', ['/home/ada/models/new-model.gguf']));
      await page.waitForSelector(byId('import-copy'));
    },
  },
  'import-refused': {
    demo: 'lost',
    act: async (page) => {
      await showSidebar(page);
      await page.click(byId('list-menu'));
      await page.click(`${byId('conversation-menu')} >> text=Import conversations`);
      await page.waitForTimeout(200);
    },
  },
  'first-run-offline': { demo: 'first-run-offline' },
  'first-steps-offline': {
    demo: 'first-steps-offline',
    act: async (page) => {
      await page.click(byId('first-run-next'));
      await page.waitForSelector(byId('error-card'));
    },
  },
  'assistant-new': {
    act: async (page) => {
      await openAssistants(page);
      await page.click(byId('assistant-new'));
      await page.waitForSelector(byId('assistant-form'));
    },
  },
  'assistant-form-end': {
    demo: 'assistants',
    act: async (page) => {
      await openAssistants(page);
      await page.click(`${byId('assistant-edit')} >> nth=1`);
      await page.locator(byId('assistant-save')).scrollIntoViewIfNeeded();
    },
  },
  'assistant-refused': {
    demo: 'lost',
    act: async (page) => {
      await openAssistants(page);
      await page.click(byId('assistant-new'));
      await page.fill(byId('assistant-name'), 'Editor');
      await page.click(byId('assistant-save'));
      await page.waitForSelector(byId('error-card'));
    },
  },
  'assistant-delete': {
    demo: 'assistants',
    act: async (page) => {
      await openAssistants(page);
      await page.click(`${byId('assistant-delete')} >> nth=0`);
      await page.waitForSelector(byId('confirm-dialog'));
    },
  },
  'prompts-none': { act: (page) => openAssistants(page, 'prompts') },
  'prompt-new': {
    act: async (page) => {
      await openAssistants(page, 'prompts');
      await page.click(byId('prompt-new'));
      await page.waitForSelector(byId('prompt-form'));
    },
  },
  'quick-refused': {
    demo: 'quick-refused',
    act: async (page) => {
      await page.fill(byId('quick-input'), 'Explain how a lighthouse lens works.');
      await page.press(byId('quick-input'), 'Enter');
      await page.waitForSelector(byId('error-card'));
    },
  },
};
