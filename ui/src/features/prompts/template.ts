/**
 * Prompts with places to be filled in: `{{name}}` and `{{name|default}}`. What is filled in is text and stays text: it is
 * never looked at for places again.
 */

/** `text` and `clipboard` are filled in by the user; the date fills itself in. */
export type Kind = 'text' | 'clipboard' | 'date';

export interface Variable {
  name: string;
  kind: Kind;
  /** What stands in its field at first. */
  initial: string;
}

/** Words as they are, or the name of a variable. */
export type Part = string | { name: string };

export interface Template {
  parts: Part[];
  /** Each once, in the order in which they first occur. */
  variables: Variable[];
}

const BUILT_IN: Record<string, Kind> = { clipboard: 'clipboard', date: 'date' };
/** A name has no braces, bars or line breaks; a default has no braces. */
const PLACE = /\{\{([^{}|\n]{1,80})(?:\|([^{}]*))?\}\}/g;

export function parse(text: string): Template {
  const parts: Part[] = [];
  const variables: Variable[] = [];
  let end = 0;
  for (const match of text.matchAll(PLACE)) {
    const name = match[1]!.trim();
    if (name === '') continue;
    if (match.index > end) parts.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    parts.push({ name });
    const initial = match[2]?.trim() ?? '';
    const known = variables.find((variable) => variable.name === name);
    if (!known) {
      const kind = Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name]! : 'text';
      variables.push({ name, kind, initial });
    } else if (known.initial === '') known.initial = initial;
  }
  if (end < text.length) parts.push(text.slice(end));
  return { parts, variables };
}

/** The variables that the user fills in. */
export function asked({ variables }: Template): Variable[] {
  return variables.filter(({ kind }) => kind !== 'date');
}

/** The prompt with its places filled in; those that nobody fills in are empty, but for the date. */
export function fill(template: Template, values: Record<string, string>, date: string): string {
  const value = (name: string) => {
    if (Object.hasOwn(values, name)) return values[name]!;
    const kind = template.variables.find((variable) => variable.name === name)?.kind;
    return kind === 'date' ? date : '';
  };
  return template.parts
    .map((part) => (typeof part === 'string' ? part : value(part.name)))
    .join('');
}
