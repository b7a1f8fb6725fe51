/** Starts the page of whichever window this is. */
import { mount } from 'svelte';
import { tauriBackend, windowKind } from './backend';
import { tellReady } from './ready';
import { startLanguage } from './shared/i18n';
import { setSandboxAddress } from './shared/sandbox/sandbox';
import './shared/styles/index.css';

async function start(target: HTMLElement): Promise<void> {
  await startLanguage(localStorage);
  const kind = windowKind();
  if (kind.kind === 'quick') {
    const { startQuick } = await import('./features/quick/start');
    return startQuick(target, tauriBackend);
  }
  const [{ default: App }, { LanternApp }] = await Promise.all([
    import('./App.svelte'),
    import('./lantern.svelte'),
  ]);
  const solo = kind.kind === 'chat' ? kind.conversationId : null;
  const app = new LanternApp(tauriBackend, localStorage, solo);
  mount(App, { target, props: { app } });
  await app.start();
  if (app.ready) tellReady(tauriBackend);
}

const target = document.getElementById('app');
if (!target) throw new Error('index.html must hold the element that the window is drawn into');
setSandboxAddress(tauriBackend.sandboxAddress());
void start(target);
