/** Starts the window. */
import { mount } from 'svelte';
import App from './App.svelte';
import { LanternApp } from './lantern.svelte';
import { tauriBackend } from './backend';
import { setSandboxAddress } from './shared/sandbox/sandbox';
import './shared/styles/index.css';

const target = document.getElementById('app');
if (!target) throw new Error('index.html must hold the element that the window is drawn into');

setSandboxAddress(tauriBackend.sandboxAddress());
const app = new LanternApp(tauriBackend, localStorage);
mount(App, { target, props: { app } });
void app.start();
