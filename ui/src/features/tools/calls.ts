/** How calls of tools reach the cards that show them, wherever these stand. */
import { getContext, setContext } from 'svelte';
import type { ToolCall, ToolConsent } from '../../backend/types';

export interface ToolCallsHost {
  callsOf(messageId: string): ToolCall[];
  answer(id: string, consent: ToolConsent): void;
  /** Whether an answer can go on behind this message's calls. */
  canContinue(messageId: string): boolean;
  continueCalls(messageId: string): void;
}

const KEY = Symbol('tool calls');

export function hostToolCalls(host: ToolCallsHost): void {
  setContext(KEY, host);
}

/** `null` where nobody hosts them: there are no calls then. */
export function toolCallsHost(): ToolCallsHost | null {
  return getContext<ToolCallsHost | undefined>(KEY) ?? null;
}

/** The calls with this one in place of its older version, or added at the end. */
export function withCall(calls: readonly ToolCall[], call: ToolCall): ToolCall[] {
  const at = calls.findIndex(({ id }) => id === call.id);
  return at < 0 ? [...calls, call] : calls.with(at, call);
}

/** JSON as people read it; what is none, as it is. */
export function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function serverLabel(server: string): string {
  return server === 'lantern' ? 'Lantern' : server;
}
