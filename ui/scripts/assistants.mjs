/** States of what is about assistants and prompts. */
const byId = (name) => `[data-testid="${name}"]`;
const demo = 'assistants';

async function showSidebar(page) {
  if ((await page.locator(byId('sidebar')).count()) === 0) await page.click(byId('sidebar-toggle'));
}

async function openView(page) {
  await showSidebar(page);
  await page.click(byId('nav-assistants'));
}

async function openPrompts(page) {
  await openView(page);
  await page.click('[data-tab="prompts"]');
  await page.waitForSelector(byId('prompt-card'));
}

export const ASSISTANT_STATES = {
  assistants: {
    demo,
    act: async (page) => {
      await openView(page);
      await page.waitForSelector(byId('assistant-card'));
    },
  },
  'assistants-none': { act: openView },
  'assistant-form': {
    demo,
    act: async (page) => {
      await openView(page);
      await page.click(`${byId('assistant-edit')} >> nth=1`);
      await page.waitForSelector(byId('assistant-tool'));
    },
  },
  'assistant-chosen': {
    demo,
    act: async (page) => {
      await page.click(`${byId('assistant-chip')} >> nth=0`);
    },
  },
  'assistant-picker': {
    demo,
    act: async (page) => {
      await page.click(byId('assistant-picker'));
      await page.waitForSelector(byId('assistant-pick'));
    },
  },
  'assistant-chat': {
    demo,
    act: async (page) => {
      await showSidebar(page);
      await page.click(`${byId('conversation-row')} >> nth=0 >> ${byId('conversation-open')}`);
      await page.waitForSelector(byId('message-assistant-name'));
    },
  },
  prompts: { demo, act: openPrompts },
  'prompt-form': {
    demo,
    act: async (page) => {
      await openPrompts(page);
      await page.click(`${byId('prompt-edit')} >> nth=1`);
    },
  },
  'prompt-list': {
    demo,
    act: async (page) => {
      await page.fill(byId('composer'), '/');
      await page.press(byId('composer'), 'ArrowDown');
    },
  },
  'prompt-fill': {
    demo,
    act: async (page) => {
      await page.fill(byId('composer'), '/re');
      await page.press(byId('composer'), 'Enter');
      await page.waitForSelector(byId('prompt-fill'));
    },
  },
};
