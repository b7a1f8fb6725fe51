/**
 * Draws diagrams. The library (a file of its own, read when the first diagram arrives) runs in one hidden sandbox; what
 * comes back is shown as an image, in which nothing runs and which loads nothing.
 */
import { t } from '../i18n';
import library from 'mermaid/dist/mermaid.min.js?url';
import glue from '../../../sandbox/mermaid.js?raw';
import { fill } from './sandbox';

/** How long one diagram may take, the library's start included, in milliseconds. */
const PATIENCE = 15_000;

/** A picture as the address of an image, or why there is none. */
export type Drawn = { image: string } | { error: string };

interface Reply {
  id: number;
  svg?: string;
  error?: string;
}

class Artist {
  readonly #frame = document.createElement('iframe');
  readonly #channel = new MessageChannel();
  readonly #waiting = new Map<number, (drawn: Drawn) => void>();
  readonly #ready: Promise<void>;
  #count = 0;

  constructor(programs: string[]) {
    this.#frame.className = 'offstage';
    this.#frame.title = t('common.markdown.diagramFrame');
    this.#frame.setAttribute('aria-hidden', 'true');
    this.#frame.tabIndex = -1;
    this.#ready = new Promise((resolve) => {
      this.#channel.port1.onmessage = ({ data }: MessageEvent<unknown>) => {
        if (data === 'ready') resolve();
        else this.#take(data as Reply);
      };
    });
    fill(this.#frame, { programs }, this.#channel.port2);
    document.body.append(this.#frame);
  }

  async draw(source: string, dark: boolean): Promise<Drawn> {
    await this.#ready;
    const id = (this.#count += 1);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#channel.port1.postMessage({ id, source, dark });
    });
  }

  close(): void {
    this.#channel.port1.close();
    this.#frame.remove();
  }

  #take(reply: Reply): void {
    const resolve = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (typeof reply.svg === 'string') resolve?.({ image: imageAddress(reply.svg) });
    else resolve?.({ error: String(reply.error ?? t('common.markdown.diagramError')) });
  }
}

let artist: Promise<Artist> | null = null;

async function hire(): Promise<Artist> {
  const response = await fetch(library);
  return new Artist([await response.text(), glue]);
}

/** The address of an SVG image. As an image it has no scripts, no links and no connections. */
function imageAddress(svg: string): string {
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
}

/** Diagrams that were drawn already: a message that comes back into view is not drawn again. */
const drawn = new Map<string, Drawn>();
const MOST = 60;

/** Draws a diagram; never rejects. */
export async function draw(source: string, dark: boolean): Promise<Drawn> {
  const key = `${dark}:${source}`;
  const known = drawn.get(key);
  if (known) return known;
  const mine = (artist ??= hire());
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(t('common.markdown.diagramLate'))), PATIENCE);
  });
  try {
    const result = await Promise.race([mine.then((one) => one.draw(source, dark)), late]);
    drawn.set(key, result);
    for (const oldest of drawn.keys()) {
      if (drawn.size <= MOST) break;
      drawn.delete(oldest);
    }
    return result;
  } catch (cause) {
    // Whatever went wrong in there, the next diagram gets a fresh sandbox.
    if (artist === mine) artist = null;
    void mine.then((one) => one.close()).catch(() => {});
    return { error: cause instanceof Error ? cause.message : t('common.markdown.diagramError') };
  } finally {
    clearTimeout(timer);
  }
}
