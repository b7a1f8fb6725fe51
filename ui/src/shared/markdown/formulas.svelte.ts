/**
 * Formulas as MathML, which the web view draws itself: it needs neither the inline styles nor the fonts of the usual
 * HTML output, and inline styles are forbidden in this window. The library is a chunk of its own, loaded when the
 * first formula arrives; until then formulas are shown as they were written.
 */
import type Library from 'katex';
import { escapeHtml } from './escape';
import { words } from './words';

type Katex = typeof Library;

/** A longer formula is shown as it was written. */
const LONGEST = 10_000;

let katex = $state.raw<Katex | null>(null);
let loading: Promise<void> | null = null;

/** Whether formulas can be drawn; what was rendered before that is out of date. */
export function formulasReady(): boolean {
  return katex !== null;
}

export function loadFormulas(): Promise<void> {
  loading ??= import('katex').then(
    (library) => {
      katex = library.default;
    },
    () => {
      loading = null;
    },
  );
  return loading;
}

/** HTML of a formula; of one that cannot be read, the way it was written (`raw`). */
export function formula(tex: string, display: boolean, raw: string): string {
  if (katex === null) void loadFormulas();
  const drawn = katex === null || tex.length > LONGEST ? null : draw(katex, tex, display);
  if (drawn === null) return `<code class="md-tex">${escapeHtml(raw.trim())}</code>`;
  return display
    ? `<span class="md-formula" tabindex="0" role="group" aria-label="${words('common.markdown.formula')}">${drawn}</span>`
    : drawn;
}

function draw(library: Katex, tex: string, display: boolean): string | null {
  try {
    const html = library.renderToString(tex, {
      output: 'mathml',
      displayMode: display,
      throwOnError: true,
      // No commands that make links, images, classes or styles.
      trust: false,
      strict: 'ignore',
      maxSize: 40,
      maxExpand: 500,
      macros: {},
    });
    // The source that is repeated inside; a sanitiser that drops its element would leave its text.
    return html.replace(/<annotation encoding="application\/x-tex">[^<]*<\/annotation>/, '');
  } catch {
    return null;
  }
}
