/**
 * Servers as people write them down: a command line, lines of `NAME=value`, and the JSON with `mcpServers` that other programs
 * and the servers' own pages use. All of it only fills the form; nothing runs before the user has seen what would.
 */
import type { ToolTransport } from '../../backend/types';

/** What the form has. */
export interface ServerForm {
  name: string;
  kind: 'command' | 'http';
  /** A command line. */
  command: string;
  url: string;
  /** Lines of `NAME=value`: variables of a command, headers of a server. */
  values: string;
  folder: string;
}

export const EMPTY: ServerForm = {
  name: '',
  kind: 'command',
  command: '',
  url: '',
  values: '',
  folder: '',
};

/** The words of a command line. Quotes hold words together; nothing else means anything, as no shell reads it. */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote: string | null = null;
  let begun = false;
  for (const letter of line) {
    if (quote !== null) {
      if (letter === quote) quote = null;
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      begun = true;
    } else if (/\s/.test(letter)) {
      if (begun) words.push(word);
      word = '';
      begun = false;
    } else {
      word += letter;
      begun = true;
    }
  }
  if (begun) words.push(word);
  return words;
}

/** The same words as one line that `splitCommand` reads. */
export function joinCommand(words: readonly string[]): string {
  const quoted = (word: string) => {
    if (word !== '' && !/[\s"']/.test(word)) return word;
    return word.includes('"') ? `'${word.replaceAll("'", `'"'"'`)}'` : `"${word}"`;
  };
  return words.map(quoted).join(' ');
}

/** `NAME=value` or `Name: value`, one a line. */
export function readValues(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const at = line.search(/[=:]/);
    const name = line.slice(0, at).trim();
    if (at > 0 && name !== '') values[name] = line.slice(at + 1).trim();
  }
  return values;
}

function writeValues(values: unknown): string {
  if (typeof values !== 'object' || values === null) return '';
  return Object.entries(values)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join('\n');
}

/** What the form says, as the application takes it. */
export function transportOf(form: ServerForm): ToolTransport {
  if (form.kind === 'http') {
    return { type: 'http', url: form.url.trim(), headers: readValues(form.values) };
  }
  const [command = '', ...args] = splitCommand(form.command);
  const folder = form.folder.trim() === '' ? null : form.folder.trim();
  return { type: 'command', command, args, env: readValues(form.values), folder };
}

/** A name that is allowed, near the one that is given. */
export function allowedName(name: string): string {
  return name
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 32);
}

function record(value: unknown): Record<string, unknown> | null {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isRecord ? (value as Record<string, unknown>) : null;
}

/**
 * The servers of pasted JSON: `{"mcpServers": {…}}`, `{"servers": {…}}`, one of the entries with its name, or one alone.
 * `null` when it is nothing of the kind.
 */
export function readPasted(text: string): ServerForm[] | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const whole = record(json);
  if (!whole) return null;
  const isServer = (value: unknown) => {
    const entry = record(value);
    return entry !== null && (typeof entry.command === 'string' || typeof entry.url === 'string');
  };
  const named =
    record(whole.mcpServers) ?? record(whole.servers) ?? (isServer(whole) ? { '': whole } : whole);
  const forms = Object.entries(named)
    .filter(([, entry]) => isServer(entry))
    .map(([name, entry]) => formOf(name, record(entry)!));
  return forms.length > 0 ? forms : null;
}

function formOf(name: string, entry: Record<string, unknown>): ServerForm {
  const form = { ...EMPTY, name: allowedName(name) };
  if (typeof entry.command !== 'string') {
    return { ...form, kind: 'http', url: String(entry.url), values: writeValues(entry.headers) };
  }
  const args = Array.isArray(entry.args) ? entry.args.map(String) : [];
  const folder = typeof entry.cwd === 'string' ? entry.cwd : '';
  const command = joinCommand([entry.command, ...args]);
  return { ...form, command, values: writeValues(entry.env), folder };
}
