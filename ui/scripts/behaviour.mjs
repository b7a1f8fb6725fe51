/** What only a real browser can show: following and letting go, copying, keys, focus. Fails with words. */
import assert from 'node:assert/strict';
import { STATES, byId, onStage } from './browser.mjs';

const rest = (page) =>
  page.$eval(
    byId('message-list'),
    (list) => list.scrollHeight - list.scrollTop - list.clientHeight,
  );

async function ask(page) {
  await page.fill(byId('composer'), 'Explain how a lighthouse lens works.');
  await page.press(byId('composer'), 'Enter');
}

const checks = {
  'the list follows the answer, lets go when scrolled up, and comes back when asked': async (
    open,
  ) => {
    const page = await open({ demo: 'empty', size: [800, 600] });
    await ask(page);
    await page.waitForSelector(`${byId('markdown')} table`);
    assert.ok((await rest(page)) < 60, 'the end is not in sight while the answer is written');
    await page.hover(byId('message-list'));
    await page.mouse.wheel(0, -300);
    await page.waitForSelector(byId('jump-to-latest'));
    const before = await page.$eval(byId('message-list'), (list) => list.scrollTop);
    await page.waitForSelector(`${byId('markdown')} pre`);
    await page.waitForTimeout(300);
    const after = await page.$eval(byId('message-list'), (list) => list.scrollTop);
    assert.ok(Math.abs(before - after) < 2, `the text moved from ${before} to ${after}`);
    await page.click(byId('jump-to-latest'));
    await page.waitForSelector(`${byId('message-assistant')}[data-status="complete"]`);
    assert.ok((await rest(page)) < 60, 'the end is not in sight after the jump');
  },

  'nothing jumps when the answer ends': async (open) => {
    const page = await open({ demo: 'empty', size: [800, 600] });
    await ask(page);
    await page.waitForSelector(`${byId('markdown')} table`);
    await page.hover(byId('message-list'));
    await page.mouse.wheel(0, -10_000);
    const top = () => page.$eval(`${byId('markdown')} table`, (t) => t.getBoundingClientRect().top);
    // A busy machine takes its time to scroll.
    await page.waitForFunction(
      (list) => document.querySelector(list).scrollTop === 0,
      byId('message-list'),
    );
    const before = await top();
    await page.waitForSelector(`${byId('message-assistant')}[data-status="complete"]`);
    await page.waitForTimeout(100);
    assert.ok(Math.abs((await top()) - before) < 1, 'the table moved');
  },

  'Escape stops the answer': async (open) => {
    const page = await open({ demo: 'empty' });
    await ask(page);
    await page.waitForSelector(byId('markdown'));
    await page.keyboard.press('Escape');
    await page.waitForSelector(`${byId('message-assistant')}[data-status="stopped"]`);
    await page.waitForSelector(byId('message-note'));
  },

  'the list of conversations is used by keyboard alone': async (open) => {
    const page = await open({ demo: 'full' });
    const rows = page.locator(byId('conversation-open'));
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim());
    await rows.nth(0).focus();
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(), (await rows.nth(1).textContent()).trim());
    await page.keyboard.press('F2');
    await page.waitForSelector(byId('conversation-rename-input'));
    await page.keyboard.press('Escape');
    await rows.nth(1).focus();
    await page.keyboard.press('Shift+F10');
    await page.waitForSelector(byId('conversation-menu'));
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(), 'Rename');
    await page.keyboard.press('Escape');
    assert.equal(await focused(), (await rows.nth(1).textContent()).trim(), 'the focus came back');
    await page.keyboard.press('Delete');
    await page.waitForSelector(byId('confirm-dialog'));
    await page.keyboard.press('Escape');
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    const folder = `${byId('folder-toggle-conversations')}[aria-expanded="true"]`;
    await page.waitForSelector(folder);
    const inTabOrder = await page.$$eval(
      `${byId('conversation-list')} [data-focus][tabindex="0"]`,
      (all) => all.length,
    );
    assert.equal(inTabOrder, 1);
  },

  'of thousands of conversations a few dozen are in the page': async (open) => {
    const page = await open({ demo: 'many' });
    const drawn = () => page.locator(byId('conversation-row')).count();
    assert.ok((await drawn()) < 60, `${await drawn()} rows are drawn`);
    await page.locator(byId('conversation-open')).nth(0).focus();
    await page.keyboard.press('End');
    await page.waitForSelector(`${byId('conversation-open')}:has-text("Conversation 4999")`);
    assert.ok((await drawn()) < 60, `${await drawn()} rows are drawn at the end`);
    const focused = await page.evaluate(() => document.activeElement?.textContent?.trim());
    assert.equal(focused, 'Conversation 4999');
  },

  'a found message is brought into sight': async (open) => {
    const page = await open({ demo: 'full', size: [1280, 600] });
    await STATES.search.act(page);
    await page.click(`${byId('conversation-open')}[data-message-id="m1"]`);
    const message = page.locator('[data-message-id="m1"]').last();
    await message.waitFor();
    await page.waitForTimeout(400);
    const top = await page.$eval(
      `${byId('message-list')} [data-message-id="m1"]`,
      (found) => found.getBoundingClientRect().top,
    );
    assert.ok(top > 0 && top < 300, `it is at ${top}`);
  },

  'a conversation is exported, printed, and put into a new folder': async (open) => {
    const page = await open({ demo: 'full' });
    const called = (name) =>
      page.evaluate((name) => window.demoCalls.find(({ command }) => command === name)?.args, name);
    await STATES['conversation-export'].act(page);
    await page.click(`${byId('export-format')}[data-format="html"]`);
    await page.waitForFunction(() =>
      window.demoCalls.some(({ command }) => command === 'export_conversations'),
    );
    const { ids, format } = await called('export_conversations');
    assert.deepEqual([ids, format], [['c7'], 'html']);

    const printing = await open({ demo: 'full' });
    await printing.evaluate(() => {
      window.print = () => (window.printed = document.querySelectorAll('.print section').length);
    });
    await printing.hover(`${byId('conversation-row')} >> nth=0`);
    await printing.click(`${byId('conversation-more')} >> nth=0`);
    await printing.click(byId('menu-export'));
    await printing.click(byId('export-print'));
    await printing.waitForFunction(() => window.printed > 1);
    await printing.waitForSelector(byId('print-view'), { state: 'detached' });

    const naming = await open({ demo: 'full' });
    await STATES['folder-name'].act(naming);
    await naming.fill(byId('name-input'), 'Bread');
    await naming.press(byId('name-input'), 'Enter');
    await naming.waitForFunction(() =>
      window.demoCalls.some(({ command }) => command === 'move_conversation'),
    );
  },

  'a conversation is dragged into a folder': async (open) => {
    const page = await open({ demo: 'full' });
    await page.dragAndDrop(
      `${byId('conversation-row')} >> nth=0`,
      `${byId('conversation-folder')} >> nth=1`,
    );
    await page.waitForFunction(() =>
      window.demoCalls.some(({ command }) => command === 'move_conversation'),
    );
    const args = await page.evaluate(
      () => window.demoCalls.find(({ command }) => command === 'move_conversation').args,
    );
    assert.deepEqual(args, { id: 'c1', folder: 'f2' });
  },

  'code is copied without its frame': async (open) => {
    const page = await open({});
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await STATES.conversation.act(page);
    await page.click(`${byId('markdown')} [data-copy="code"] >> nth=0`);
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.startsWith('from dataclasses'), copied);
    assert.ok(copied.endsWith('rad")'), copied);
  },

  'a link shows its address first and goes to the system browser': async (open) => {
    const page = await open({});
    await STATES.link.act(page);
    assert.match(await page.innerText(byId('link-dialog')), /wikipedia\.org\/wiki\/Fresnel_lens/);
    await page.click(byId('link-open'));
    await page.waitForFunction(() =>
      globalThis.demoCalls.some(
        ({ command, args }) => command === 'open_link' && args.url.includes('Fresnel_lens'),
      ),
    );
    assert.match(page.url(), /127\.0\.0\.1/, 'the window itself went there');
  },

  'a dialog keeps the focus, and Escape gives it back': async (open) => {
    const page = await open({});
    await STATES.delete.act(page);
    for (let press = 0; press < 5; press += 1) {
      await page.keyboard.press('Tab');
      const outside = await page.evaluate(() => {
        const { activeElement } = document;
        return activeElement !== document.body && !activeElement?.closest('dialog');
      });
      assert.ok(!outside, 'the focus left the dialog');
    }
    await page.keyboard.press('Escape');
    await page.waitForSelector(byId('confirm-dialog'), { state: 'detached' });
    const back = await page.evaluate(() => document.activeElement?.getAttribute('data-testid'));
    assert.equal(back, 'model-delete');
  },

  'everything in the conversation can be reached by keyboard': async (open) => {
    const page = await open({});
    await STATES['conversation-end'].act(page);
    await page.keyboard.press('Control+n');
    await page.waitForSelector(byId('empty-chat'));
    await page.keyboard.press('Control+Shift+F');
    const search = await page.evaluate(() => document.activeElement?.getAttribute('data-testid'));
    assert.equal(search, 'search');
    await page.keyboard.press('Control+,');
    await page.waitForSelector(byId('settings-view'));
  },

  'the model menu moves by arrows and leaves by Escape': async (open) => {
    const page = await open({});
    await page.focus(byId('model-picker'));
    await page.keyboard.press('Enter');
    await page.waitForSelector(byId('model-picker-menu'));
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`${byId('model-picker')}[data-model^="Qwen"]`);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    await page.waitForSelector(byId('model-picker-menu'), { state: 'detached' });
  },

  'what opens above the page leaves by Escape, with the focus back, and by a press elsewhere':
    async (open) => {
      const page = await open({ demo: 'assistants' });
      await STATES['conversation-end'].act(page);
      const context = `${byId('context-length')} summary`;
      const panels = [
        [byId('model-picker'), byId('model-picker-menu')],
        [byId('assistant-picker'), byId('assistant-picker-menu')],
        [context, byId('context-length-input')],
        [byId('knowledge-menu'), byId('knowledge-manage')],
        [byId('tool-menu'), byId('tool-menu-panel')],
        [`${byId('answer-menu')} >> nth=-1`, byId('answer-receipt')],
      ];
      for (const [button, panel] of panels) {
        await page.focus(button);
        await page.keyboard.press('Enter');
        await page.waitForSelector(panel);
        await page.keyboard.press('Escape');
        await page.waitForSelector(panel, { state: 'detached' });
        const isBack = await page
          .locator(button)
          .evaluate((element) => element === document.activeElement);
        assert.ok(isBack, `the focus did not come back to ${button}`);
        await page.click(button);
        await page.waitForSelector(panel);
        await page.click(byId('chat-title'));
        await page.waitForSelector(panel, { state: 'detached' });
      }
    },

  'arrows pass over what a menu does not offer': async (open) => {
    const page = await open({});
    await page.click(byId('model-picker'));
    const disabled = await page.locator(`${byId('model-picker-menu')} button:disabled`).count();
    assert.ok(disabled > 0, 'the scene has no model that cannot be used');
    await page.keyboard.press('Home');
    const items = `${byId('model-picker-menu')} button:enabled`;
    const all = await page.locator(items).count();
    for (let press = 1; press < all; press += 1) await page.keyboard.press('ArrowDown');
    const last = await page
      .locator(`${items} >> nth=-1`)
      .evaluate((element) => element === document.activeElement);
    assert.ok(last, 'the last item was not reached');
  },

  'branches are switched and a message is put differently': async (open) => {
    const page = await open({});
    await STATES.conversation.act(page);
    await page.click(`${byId('branch-previous')} >> nth=0`);
    await page.waitForFunction(() =>
      globalThis.demoCalls.some(
        ({ command, args }) => command === 'select_branch' && args.leafId === 'm2',
      ),
    );
    assert.equal(await page.locator(byId('message-assistant')).count(), 1);
    await page.click(byId('message-edit'));
    await page.fill(byId('message-edit-input'), 'Explain a lighthouse.');
    await page.click(byId('message-edit-save'));
    await page.waitForSelector(`${byId('message-assistant')}[data-status="complete"]`);
    assert.match(await page.innerText(byId('message-user')), /^Explain a lighthouse\./);
  },

  'a model is found and fetched by keyboard alone': async (open) => {
    const page = await open({});
    await page.focus(byId('nav-models'));
    await page.keyboard.press('Enter');
    await page.focus('[data-tab="find"]');
    await page.keyboard.press('Enter');
    await page.focus(byId('search-text'));
    await page.keyboard.type('gemma');
    await page.keyboard.press('Enter');
    await page.waitForSelector(byId('search-result'));
    await page.focus(`${byId('search-open')} >> nth=1`);
    await page.keyboard.press('Enter');
    await page.waitForSelector(byId('recommended'));
    await page.focus(`${byId('recommended')} button`);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() =>
      globalThis.demoCalls.some(
        ({ command, args }) =>
          command === 'download_model' && args.request.file === 'gemma-3-12b-it-Q4_K_M.gguf',
      ),
    );
    await page.focus(byId('page-back'));
    await page.keyboard.press('Enter');
    await page.waitForSelector(byId('search-result'));
  },

  'downloads are ordered and held by keyboard': async (open) => {
    const page = await open({ demo: 'queue' });
    await STATES.downloads.act(page);
    await page.focus(`${byId('download-down')} >> nth=0`);
    await page.keyboard.press('Enter');
    await page.focus(`${byId('download-pause')} >> nth=0`);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => {
      const calls = globalThis.demoCalls.map(({ command }) => command);
      return calls.includes('move_download') && calls.includes('pause_download');
    });
  },

  'files that are dropped are added one after the other, and others are named': async (open) => {
    const page = await open({});
    await page.evaluate(() =>
      globalThis.demoDrag('drop', ['/a/One.GGUF', '/a/b.gguf', '/a/c.txt']),
    );
    await page.click(byId('import-in-place'));
    await page.click(byId('import-copy'));
    await page.waitForFunction(
      () => globalThis.demoCalls.filter(({ command }) => command === 'import_model').length === 2,
    );
    const asked = await page.evaluate(() =>
      globalThis.demoCalls
        .filter(({ command }) => command === 'import_model')
        .map(({ args }) => args),
    );
    assert.deepEqual(asked, [
      { path: '/a/One.GGUF', copy: false },
      { path: '/a/b.gguf', copy: true },
    ]);
    await page.waitForSelector(byId('models-view'));
    await page.evaluate(() => globalThis.demoDrag('drop', ['/a/c.txt']));
    await page.waitForSelector(byId('notice'));
  },

  'what was deleted is taken back': async (open) => {
    const page = await open({});
    await STATES.undo.act(page);
    await page.click(byId('undo-restore'));
    await page.waitForFunction(() =>
      globalThis.demoCalls.some(
        ({ command, args }) => command === 'restore_model' && args.which === 'r2',
      ),
    );
    await page.waitForSelector(byId('undo'), { state: 'detached' });
  },

  'a setting is found by its words, and a model is taken into a chat': async (open) => {
    const page = await open({});
    await page.keyboard.press('Control+,');
    await page.fill(byId('settings-find'), 'same question');
    await page.waitForFunction(() => document.querySelectorAll('[data-setting]').length === 1);
    await page.waitForSelector('[data-setting="sampling.seed"]');
    await page.click(byId('nav-models'));
    await page.click(`${byId('model-card')} >> nth=1 >> ${byId('model-chat')}`);
    const name = 'Qwen2.5-Coder-1.5B-Instruct-Q4_K_M';
    await page.waitForSelector(`${byId('model-picker')}[data-model="${name}"]`);
    await page.waitForSelector(byId('composer'));
  },

  'a setting that is refused says why, under its field': async (open) => {
    const page = await open({});
    await page.click(byId('nav-settings'));
    const port = '[data-setting="endpoint.port"]';
    await page.fill(`${port} ${byId('setting-control')}`, '80');
    assert.match(await page.innerText(`${port} ${byId('setting-error')}`), /1024/);
    await page.click(`${port} ${byId('setting-reset')}`);
    await page.waitForSelector(`${port} ${byId('setting-error')}`, { state: 'detached' });
  },

  'the theme follows the setting at once': async (open) => {
    const page = await open({});
    await page.click(byId('nav-settings'));
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.selectOption(byId('theme-select'), 'dark');
    await page.waitForFunction(
      (was) => getComputedStyle(document.body).backgroundColor !== was,
      light,
    );
  },
};

let failed = 0;
const wanted = process.argv[2] ?? '';
const complaints = await onStage(async (open) => {
  for (const [name, check] of Object.entries(checks)) {
    if (!name.includes(wanted)) continue;
    const pages = [];
    const opened = async (options) => {
      const page = await open(options);
      pages.push(page);
      return page;
    };
    try {
      await check(opened);
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.error(`FAILED  ${name}\n        ${error.message}`);
    }
    for (const page of pages) await page.context().close();
  }
});
for (const complaint of new Set(complaints)) console.error(complaint);
process.exit(failed > 0 || complaints.length > 0 ? 1 : 0);
