/** How calls of tools reach the cards that show them, wherever these stand. */
import { getContext, setContext } from 'svelte';
import type { ToolCall, ToolConsent } from '../../backend/types';
import { formatBytes } from '../../shared/format';

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

/** JSON as data; what is none, as the text that it is. */
function dataOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** JSON as people read it; what is none, as it is. */
export function pretty(text: string): string {
  const data = dataOf(text);
  return data === text ? text : JSON.stringify(data, null, 2);
}

/** The whole call: what was asked for and what came of it. Of pictures, which are shown, the beginning and the size. */
export function asJson({ server, tool, state, result, ...call }: ToolCall): string {
  const images = result?.images.map(({ mimeType, data }) => ({
    mimeType,
    data: data.length > 64 ? `${data.slice(0, 32)}… (${formatBytes((data.length * 3) / 4)})` : data,
  }));
  const structured = result?.structured == null ? null : dataOf(result.structured);
  const all = {
    ...{ server, tool, state, arguments: dataOf(call.arguments || '{}') },
    result: result && { text: result.text, structured, images },
    ...{ createdAt: call.createdAt, startedAt: call.startedAt, endedAt: call.endedAt },
  };
  return JSON.stringify(all, null, 2);
}

export function serverLabel(server: string): string {
  return server === 'lantern' ? 'Lantern' : server;
}
