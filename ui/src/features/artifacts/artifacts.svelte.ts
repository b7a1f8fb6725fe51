/** What a model made that can be looked at beside the conversation: one at a time. */
import { createContext } from 'svelte';

export interface Artifact {
  /** `html`, `svg` or `mermaid`. */
  language: string;
  code: string;
}

export type ArtifactTab = 'preview' | 'source';

export class Artifacts {
  current = $state.raw<Artifact | null>(null);
  tab = $state<ArtifactTab>('preview');
  /** What had the focus before, and gets it back. */
  #before: Element | null = null;

  show(language: string, code: string): void {
    this.#before = document.activeElement;
    this.current = { language, code };
    this.tab = 'preview';
  }

  close(): void {
    this.current = null;
    if (this.#before instanceof HTMLElement && this.#before.isConnected) this.#before.focus();
    this.#before = null;
  }
}

/** The document that a frame shows for an artifact. */
export function documentOf({ language, code }: Artifact): string {
  if (language !== 'svg') return code;
  return `<!doctype html><meta charset="utf-8"><style>html,body{height:100%;margin:0}body{display:grid;place-items:center}svg{max-width:100%;max-height:100%}</style>${code}`;
}

const [context, provide, provided] = createContext<Artifacts>();

/** Gives everything inside of the calling component these artifacts. */
export const provideArtifacts = provide;

/** The open chat's artifacts, for whatever draws an answer; `null` where nothing can be shown beside it. */
export function useArtifacts(): Artifacts | null {
  return provided() ? context() : null;
}
