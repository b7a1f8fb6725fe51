/**
 * Separates what a model thinks (`<think>…</think>` at the start) from what it answers. Some templates open the
 * tag in the prompt, so a closing tag alone also ends a thought.
 */
const OPEN = '<think>';
const CLOSE = '</think>';

export interface Parts {
  /** `null` when the model did not think aloud. */
  thinking: string | null;
  /** Whether the thought is closed. */
  thought: boolean;
  answer: string;
}

export function splitThinking(content: string, streaming: boolean): Parts {
  const text = content.trimStart();
  const close = text.indexOf(CLOSE);
  const opened = text.startsWith(OPEN);
  if (close >= 0 && (opened || !text.slice(0, close).includes(OPEN))) {
    return {
      thinking: text.slice(opened ? OPEN.length : 0, close).trim(),
      thought: true,
      answer: text.slice(close + CLOSE.length).trimStart(),
    };
  }
  if (opened) {
    const inside = text.slice(OPEN.length);
    return {
      thinking: (streaming ? withoutPartialTag(inside, CLOSE) : inside).trim(),
      thought: !streaming,
      answer: '',
    };
  }
  // A tag that is still arriving is not text yet.
  if (streaming && text.length > 0 && OPEN.startsWith(text)) {
    return { thinking: null, thought: false, answer: '' };
  }
  return { thinking: null, thought: false, answer: content };
}

function withoutPartialTag(text: string, tag: string): string {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length -= 1) {
    if (text.endsWith(tag.slice(0, length))) return text.slice(0, -length);
  }
  return text;
}
