/** Which of Lantern's windows this page is in: the shell says so by the window's label. */
export type WindowKind =
  { kind: 'main' } | { kind: 'chat'; conversationId: string } | { kind: 'quick' };

/** What the shell puts into every page before its own code. */
interface Internals {
  metadata?: { currentWindow?: { label?: string } };
}

const CHAT = 'chat-';

export function kindOf(label: string): WindowKind {
  if (label === 'quick') return { kind: 'quick' };
  if (label.startsWith(CHAT)) return { kind: 'chat', conversationId: label.slice(CHAT.length) };
  return { kind: 'main' };
}

export function windowKind(): WindowKind {
  const { __TAURI_INTERNALS__: internals } = globalThis as { __TAURI_INTERNALS__?: Internals };
  return kindOf(internals?.metadata?.currentWindow?.label ?? 'main');
}
