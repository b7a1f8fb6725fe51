/** The desktop's part in the quick loop: what it offers, what this computer has, what is asked from outside. */
import type { Channel } from '@tauri-apps/api/core';
import type { DesktopStatus, Machine, ShellEvent } from '../src/backend/types';

const STATUS: DesktopStatus = {
  noTray: {
    code: 'no_tray',
    message: 'Lantern has no icon in the tray: this desktop shows no tray icons.',
    nextStep: 'Everything else works. On GNOME, the extension AppIndicator shows such icons.',
  },
  noShortcut: null,
};

const MACHINE: Machine = {
  processor: 'AMD Ryzen 7 7840U with Radeon 780M Graphics',
  cores: 8,
  instructions: 'avx512',
  memoryBytes: 32e9,
  availableBytes: 24.6e9,
  freeDiskBytes: 182e9,
  devices: [],
  noDevice: 'This build computes on the processor.',
};

/** Asks something of the page as the tray or a link would: `demoShell({ type: 'new_chat' })`. */
let page: Channel<ShellEvent> | undefined;

export function commands(
  scene: string,
): Record<string, (args: Record<string, unknown>) => unknown> {
  Object.assign(window, { demoShell: (event: ShellEvent) => page?.onmessage(event) });
  return {
    page_ready: () => undefined,
    shell_events: (args) => void (page = args.channel as Channel<ShellEvent>),
    desktop_status: () => (scene === 'failing' ? STATUS : { noTray: null, noShortcut: null }),
    machine: () => MACHINE,
  };
}
