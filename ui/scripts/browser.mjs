/**
 * The quick loop's stage: serves `dist` with the window's own content security policy, and opens pages in the
 * system's Chromium with `demo/ipc.ts` in place of the application.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { ASSISTANT_STATES } from './assistants.mjs';
import { DESKTOP_STATES } from './desktop.mjs';
import { REST_STATES } from './rest.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Scenes in which the settings name a language. */
const SPOKEN = { german: 'de', arabic: 'ar' };

async function bundleDemo() {
  const { output } = (
    await build({
      root,
      configFile: false,
      logLevel: 'warn',
      build: {
        write: false,
        lib: { entry: `${root}/demo/ipc.ts`, formats: ['iife'], name: 'demo' },
      },
    })
  )[0];
  return output[0].code;
}

/** Calls `play(open)` with a function that opens a page for a scene; cleans up whatever happens. */
export async function onStage(play) {
  const executablePath = process.env.CHROMIUM ?? BROWSERS.find((path) => existsSync(path));
  if (!executablePath) {
    throw new Error('No Chromium was found. Install it, or name it in the variable CHROMIUM.');
  }
  const script = await bundleDemo();
  const server = await preview({ root, preview: { port: 0, host: '127.0.0.1' }, logLevel: 'warn' });
  const { port } = server.httpServer.address();
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    // The window has scroll bars, and so have its pictures.
    ignoreDefaultArgs: ['--hide-scrollbars'],
  });
  const complaints = [];

  async function open({ demo = 'full', theme = 'light', size = [1280, 800], language }) {
    const context = await browser.newContext({
      viewport: { width: size[0], height: size[1] },
      colorScheme: theme,
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => complaints.push(`${demo}: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(`${demo}: ${message.text()}`);
    });
    await page.addInitScript(script);
    const spoken = language ? `&language=${language}` : '';
    await page.goto(`http://127.0.0.1:${port}/?demo=${demo}${spoken}`);
    if (demo !== 'start-failed') await page.waitForSelector('[data-ready="true"]');
    else await page.waitForSelector('[data-testid="error-card"]');
    // A window that was never open before learns its language with the settings, and turns around then.
    const tongue = language ?? SPOKEN[demo];
    if (tongue) await page.waitForSelector(`html[lang="${tongue}"]`);
    return page;
  }

  try {
    await play(open);
  } finally {
    await browser.close();
    await new Promise((resolve) => server.httpServer.close(resolve));
  }
  return complaints;
}

export const byId = (name) => `[data-testid="${name}"]`;

/** On a small window the sidebar is hidden until asked for. */
async function showSidebar(page) {
  if ((await page.locator(byId('sidebar')).count()) > 0) return;
  await page.click(byId('sidebar-toggle'));
}

async function openFirstConversation(page) {
  await showSidebar(page);
  await page.click(`${byId('conversation-row')} >> nth=0 >> ${byId('conversation-open')}`);
  await page.waitForSelector(byId('message-assistant'));
  await page.waitForTimeout(150);
}

async function openReceipt(page) {
  await openFirstConversation(page);
  await page.click(`${byId('answer-menu')} >> nth=-1`);
  await page.click(byId('answer-receipt'));
  await page.waitForSelector(byId('receipt-fact'));
}

async function openModels(page) {
  await showSidebar(page);
  await page.click(byId('nav-models'));
}

async function openTab(page, tab) {
  await openModels(page);
  await page.click(`[data-tab="${tab}"]`);
}

async function openResults(page) {
  await openTab(page, 'find');
  await page.fill(byId('search-text'), 'qwen');
  await page.press(byId('search-text'), 'Enter');
}

/** Every state worth looking at: a scene and the steps that lead to the state. */
export const STATES = {
  'first-run': { demo: 'first-run' },
  downloading: { demo: 'downloading' },
  empty: { demo: 'empty' },
  conversation: {
    act: async (page) => {
      await openFirstConversation(page);
      await page.$eval(byId('message-list'), (list) => (list.scrollTop = 0));
    },
  },
  'conversation-end': { act: openFirstConversation },
  rich: {
    demo: 'rich',
    act: async (page) => {
      await openFirstConversation(page);
      await page.waitForSelector(`${byId('diagram')} img`);
      await page.waitForSelector('math');
      await page.$eval(byId('message-list'), (list) => (list.scrollTop = 0));
    },
  },
  artifact: {
    demo: 'rich',
    act: async (page) => {
      await openFirstConversation(page);
      await page.click('[data-preview="html"]');
      await page.frameLocator(byId('artifact-frame')).getByRole('button').click();
    },
  },
  'answer-menu': {
    act: async (page) => {
      await openFirstConversation(page);
      await page.click(`${byId('answer-menu')} >> nth=-1`);
    },
  },
  receipt: { act: openReceipt },
  'receipt-same': {
    act: async (page) => {
      await openReceipt(page);
      await page.click(byId('receipt-replay'));
      await page.waitForSelector(byId('receipt-verdict'));
    },
  },
  'receipt-other': {
    demo: 'changed',
    act: async (page) => {
      await openReceipt(page);
      await page.click(byId('receipt-replay'));
      await page.waitForSelector(byId('receipt-verdict'));
    },
  },
  'receipt-replaying': {
    demo: 'replaying',
    act: async (page) => {
      await openReceipt(page);
      await page.click(byId('receipt-replay'));
      await page.waitForSelector(byId('receipt-progress'));
    },
  },
  beside: {
    act: async (page) => {
      await openFirstConversation(page);
      await page.click(`${byId('answer-menu')} >> nth=-1`);
      await page.click(byId('answer-compare'));
      await page.waitForSelector(byId('beside'));
    },
  },
  tree: {
    act: async (page) => {
      await openFirstConversation(page);
      await page.click(byId('tree-open'));
      await page.waitForSelector(byId('tree-message'));
    },
  },
  queue: {
    demo: 'streaming',
    act: async (page) => {
      await page.fill(byId('composer'), 'Explain how a lighthouse lens works.');
      await page.press(byId('composer'), 'Enter');
      await page.waitForSelector(`${byId('message-assistant')} table`);
      await page.fill(byId('composer'), 'And who invented it?');
      await page.press(byId('composer'), 'Enter');
      await page.waitForSelector(byId('queued'));
    },
  },
  outgrown: {
    demo: 'outgrown',
    act: async (page) => {
      await openFirstConversation(page);
      await page.waitForSelector(byId('message-unseen'));
      await page.$eval(byId('message-list'), (list) => (list.scrollTop = 0));
      await page.click(`${byId('summary')} summary`);
    },
  },
  'outgrown-edit': {
    demo: 'outgrown',
    act: async (page) => {
      await STATES.outgrown.act(page);
      await page.click(byId('summary-edit'));
      await page.waitForSelector(byId('summary-text'));
    },
  },
  'outgrown-panel': {
    demo: 'outgrown',
    act: async (page) => {
      await STATES.outgrown.act(page);
      await page.click(`${byId('context-length')} summary`);
      await page.waitForSelector(byId('context-messages'));
    },
  },
  'outgrown-inspect': {
    demo: 'outgrown',
    act: async (page) => {
      await openFirstConversation(page);
      await page.click(byId('sight-show'));
      await page.$eval(byId('message-list'), (list) => (list.scrollTop = 0));
    },
  },
  refused: {
    demo: 'refused',
    act: async (page) => {
      await openFirstConversation(page);
      await page.waitForSelector(byId('overflow-drop'));
    },
  },
  gauge: {
    act: async (page) => {
      await openFirstConversation(page);
      await page.click(`${byId('context-length')} summary`);
    },
  },
  streaming: {
    demo: 'streaming',
    act: async (page) => {
      await page.fill(byId('composer'), 'Explain how a lighthouse lens works.');
      await page.press(byId('composer'), 'Enter');
      await page.waitForSelector(`${byId('message-assistant')} table`);
    },
  },
  prefill: {
    demo: 'prefill',
    act: async (page) => {
      await page.fill(byId('composer'), 'Explain how a lighthouse lens works.');
      await page.press(byId('composer'), 'Enter');
      await page.waitForSelector('[data-phase="prefill"]');
    },
  },
  failing: {
    demo: 'failing',
    act: async (page) => {
      await page.fill(byId('composer'), 'Explain how a lighthouse lens works.');
      await page.press(byId('composer'), 'Enter');
      await page.waitForSelector(byId('error-card'));
    },
  },
  attached: {
    act: async (page) => {
      await page.evaluate(() =>
        globalThis.demoDrag('drop', [
          '/home/ada/report.pdf',
          '/home/ada/a.png',
          '/home/ada/locked.pdf',
        ]),
      );
      await page.waitForSelector(byId('no-eyes'));
      await page.click(byId('knowledge-menu'));
      await page.waitForSelector(byId('knowledge-choice'));
    },
  },
  cited: {
    act: async (page) => {
      await showSidebar(page);
      await page.click(`${byId('conversation-row')} >> nth=1 >> ${byId('conversation-open')}`);
      await page.waitForSelector(byId('sources'));
      await page.click(`${byId('source-list')} summary`);
    },
  },
  citation: {
    act: async (page) => {
      await STATES.cited.act(page);
      await page.click(`[data-cite="1"] >> nth=0`);
      await page.waitForSelector(byId('preview-mark'));
    },
  },
  knowledge: {
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.waitForSelector(byId('knowledge-folder'));
      await page.click(byId('knowledge-failed'));
      await page.locator('#section-knowledge').scrollIntoViewIfNeeded();
      await page.locator(byId('knowledge-add')).scrollIntoViewIfNeeded();
    },
  },
  sidebar: { act: showSidebar },
  search: {
    act: async (page) => {
      await page.keyboard.press('Control+Shift+F');
      await page.fill(byId('search'), 'light');
      await page.waitForSelector(byId('conversation-snippet'));
    },
  },
  filters: {
    act: async (page) => {
      await STATES.search.act(page);
      await page.click(byId('filters-toggle'));
      await page.waitForSelector(byId('filters'));
    },
  },
  folders: {
    act: async (page) => {
      await showSidebar(page);
      await page.click(`${byId('folder-toggle-conversations')} >> nth=0`);
      await page.waitForTimeout(50);
    },
  },
  'conversation-menu': {
    act: async (page) => {
      await STATES.folders.act(page);
      await page.hover(`${byId('conversation-row')} >> nth=1`);
      await page.click(`${byId('conversation-row')} >> nth=1 >> ${byId('conversation-more')}`);
      await page.waitForSelector(byId('conversation-menu'));
    },
  },
  'conversation-export': {
    act: async (page) => {
      await STATES['conversation-menu'].act(page);
      await page.click(byId('menu-export'));
      await page.waitForSelector(byId('export-dialog'));
    },
  },
  'folder-name': {
    act: async (page) => {
      await STATES['conversation-menu'].act(page);
      await page.click(byId('menu-new-folder'));
      await page.waitForSelector(byId('name-dialog'));
    },
  },
  archive: {
    act: async (page) => {
      await showSidebar(page);
      await page.click(byId('archive-toggle'));
    },
  },
  imported: {
    act: async (page) => {
      await showSidebar(page);
      await page.click(byId('list-menu'));
      await page.click(`${byId('conversation-menu')} >> text=Import conversations`);
      await page.waitForSelector(byId('import-report'));
    },
  },
  'import-failed': {
    demo: 'failing',
    act: async (page) => STATES.imported.act(page),
  },
  temporary: {
    act: async (page) => {
      await page.click(byId('temporary-chat'));
      await page.waitForSelector(byId('temporary-mark'));
    },
  },
  picker: {
    act: async (page) => {
      await page.click(byId('model-picker'));
      await page.waitForSelector(byId('model-picker-menu'));
    },
  },
  link: {
    act: async (page) => {
      await STATES.conversation.act(page);
      await page.click(`${byId('markdown')} a`);
      await page.waitForSelector(byId('link-dialog'));
    },
  },
  models: { act: openModels },
  delete: {
    act: async (page) => {
      await openModels(page);
      await page.click(`${byId('model-card')} >> nth=1 >> ${byId('model-delete')}`);
      await page.waitForSelector(byId('confirm-dialog'));
    },
  },
  find: { act: (page) => openTab(page, 'find') },
  results: {
    act: async (page) => {
      await openResults(page);
      await page.waitForSelector(byId('search-result'));
    },
  },
  'no-results': {
    act: async (page) => {
      await openTab(page, 'find');
      await page.fill(byId('search-text'), 'nothing');
      await page.click(byId('search-submit'));
      await page.waitForSelector(`${byId('search-status')}:has-text("0 repositories")`);
    },
  },
  'search-failed': {
    demo: 'failing',
    act: async (page) => {
      await openResults(page);
      await page.waitForSelector(byId('error-card'));
    },
  },
  repository: {
    act: async (page) => {
      await STATES.results.act(page);
      await page.click(`${byId('search-open')} >> nth=1`);
      await page.waitForSelector(byId('fit'));
    },
  },
  'repository-card': {
    act: async (page) => {
      await STATES.repository.act(page);
      await page.locator(byId('model-text')).scrollIntoViewIfNeeded();
    },
  },
  'model-page': {
    act: async (page) => {
      await openModels(page);
      await page.click(`${byId('model-show')} >> nth=0`);
      await page.waitForSelector(byId('model-verify'));
    },
  },
  'model-page-end': {
    act: async (page) => {
      await STATES['model-page'].act(page);
      await page.click(byId('model-verify'));
      await page.click(byId('model-updates'));
      await page.click(byId('template-compare'));
      await page.waitForSelector('[aria-label="Differences of the templates"]');
      await page.locator('[aria-label="Differences of the templates"]').scrollIntoViewIfNeeded();
    },
  },
  downloads: { demo: 'queue', act: (page) => openTab(page, 'downloads') },
  'downloads-stalled': {
    demo: 'queue',
    act: async (page) => {
      await openTab(page, 'downloads');
      await page.waitForSelector(`${byId('download')}:has-text("Waiting for data")`);
    },
  },
  'downloads-empty': { demo: 'first-run', act: (page) => openTab(page, 'downloads') },
  disk: {
    act: async (page) => {
      await openTab(page, 'disk');
      await page.waitForSelector(byId('disk-model'));
    },
  },
  'disk-end': {
    act: async (page) => {
      await STATES.disk.act(page);
      await page.locator(`${byId('folder')} >> nth=2`).scrollIntoViewIfNeeded();
    },
  },
  'disk-empty': {
    demo: 'first-run',
    act: async (page) => {
      await openTab(page, 'disk');
      await page.waitForSelector('#folders-title');
    },
  },
  reclaim: {
    act: async (page) => {
      await STATES.disk.act(page);
      await page.click(byId('reclaim-all'));
      await page.waitForSelector(byId('confirm-dialog'));
    },
  },
  undo: {
    act: async (page) => {
      await STATES.delete.act(page);
      await page.click(byId('confirm-accept'));
      await page.waitForSelector(byId('undo'));
    },
  },
  drop: {
    act: async (page) => {
      await page.evaluate(() => globalThis.demoDrag('enter', ['/home/ada/new.gguf']));
      await page.waitForSelector(byId('drop-zone'));
    },
  },
  compare: {
    act: async (page) => {
      await openTab(page, 'compare');
      await page.selectOption(byId('compare-a'), { index: 1 });
      await page.selectOption(byId('compare-b'), { index: 2 });
      await page.click(byId('compare-start'));
      await page.waitForSelector(byId('compare-result'));
    },
  },
  comparing: {
    demo: 'streaming',
    act: async (page) => {
      await openTab(page, 'compare');
      await page.selectOption(byId('compare-a'), { index: 1 });
      await page.selectOption(byId('compare-b'), { index: 2 });
      await page.click(byId('compare-start'));
      await page.waitForSelector(byId('compare-stop'));
    },
  },
  settings: { act: (page) => page.keyboard.press('Control+,') },
  'settings-find': {
    act: async (page) => {
      await STATES.settings.act(page);
      await page.fill(byId('settings-find'), 'memory');
    },
  },
  'settings-find-none': {
    act: async (page) => {
      await STATES.settings.act(page);
      await page.fill(byId('settings-find'), 'xyzzy');
    },
  },
  'settings-end': {
    demo: 'failing',
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.fill('[data-setting="endpoint.port"] [data-testid="setting-control"]', '80');
      await page.waitForSelector(byId('setting-error'));
      await page.locator('footer').scrollIntoViewIfNeeded();
    },
  },
  programs: {
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.locator(byId('request-log')).scrollIntoViewIfNeeded();
    },
  },
  secret: {
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.fill(byId('program-name'), 'Editor');
      await page.click(byId('program-make'));
      await page.waitForSelector(byId('secret-dialog'));
    },
  },
  remotes: {
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.waitForSelector(byId('remote-server'));
      await page.locator(byId('hub-token')).scrollIntoViewIfNeeded();
      await page.fill(byId('remote-name'), 'cloud');
      await page.fill(byId('remote-url'), 'ftp://example.org');
      await page.click(byId('remote-add'));
      await page.waitForSelector('[aria-invalid="true"]');
    },
  },
  tools: {
    demo: 'tools',
    act: async (page) => {
      await openFirstConversation(page);
      await page.click(`${byId('tool-call-toggle')} >> nth=0`);
      await page.waitForSelector(byId('tool-consent'));
    },
  },
  'tool-json': {
    demo: 'tools',
    act: async (page) => {
      await STATES.tools.act(page);
      await page.click(byId('tool-call-json'));
      await page.waitForSelector(byId('tool-call-copy'));
    },
  },
  'tool-menu': {
    demo: 'tools',
    act: async (page) => {
      await openFirstConversation(page);
      await page.click(byId('tool-menu'));
      await page.waitForSelector(byId('tool-switch'));
    },
  },
  'tool-servers': {
    demo: 'tools',
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.waitForSelector(byId('tool-server'));
      await page.locator(byId('tool-server')).first().scrollIntoViewIfNeeded();
      await page.locator(byId('tool-add-paste')).scrollIntoViewIfNeeded();
    },
  },
  'tool-review': {
    demo: 'tools',
    act: async (page) => {
      await page.keyboard.press('Control+,');
      await page.waitForSelector(byId('tool-server'));
      const pasted = {
        mcpServers: {
          files: {
            command: 'npx',
            args: ['-y', 'server-files', '/home/ada/My notes'],
            env: { KEY: 'k' },
          },
        },
      };
      await page.fill(byId('tool-add-paste'), JSON.stringify(pasted));
      await page.click(byId('tool-add-review'));
      await page.waitForSelector(byId('tool-review'));
    },
  },
  german: { demo: 'german', act: openFirstConversation },
  'german-settings': { demo: 'german', act: (page) => page.keyboard.press('Control+,') },
  arabic: {
    demo: 'arabic',
    act: async (page) => {
      await openFirstConversation(page);
      await page.$eval(byId('message-list'), (list) => (list.scrollTop = 0));
    },
  },
  'arabic-settings': { demo: 'arabic', act: (page) => page.keyboard.press('Control+,') },
  'arabic-models': { demo: 'arabic', act: openModels },
  'arabic-menu': {
    demo: 'arabic',
    act: async (page) => {
      await showSidebar(page);
      await page.hover(`${byId('conversation-row')} >> nth=1`);
      await page.click(`${byId('conversation-more')} >> nth=1`);
      await page.waitForSelector(byId('conversation-menu'));
    },
  },
  'start-failed': { demo: 'start-failed' },
  ...ASSISTANT_STATES,
  ...DESKTOP_STATES,
  ...REST_STATES,
};
