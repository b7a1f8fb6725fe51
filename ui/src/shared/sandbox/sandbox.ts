/**
 * Frames in which code that a model wrote may run: an origin of their own that is nobody's, and a policy that forbids
 * every connection. The document comes from an address of its own (`ui/sandbox/index.html`), because one written by
 * this page would inherit this page's policy, and is then told what to be.
 */

let address = '';

/** Says where the frame's document is; the backend knows. */
export function setSandboxAddress(url: string): void {
  address = url;
}

/** What may be done to a frame: nothing but running its own code. */
const PERMISSIONS = 'allow-scripts';

/** What a frame is told to be. */
export type Content = { html: string } | { programs: string[] };

/** Makes `frame` a sandbox. `port` is given to its programs. Returns a function that takes it back. */
export function fill(frame: HTMLIFrameElement, content: Content, port?: MessagePort): () => void {
  function onready(event: MessageEvent) {
    if (event.source !== frame.contentWindow || event.data !== 'ready') return;
    removeEventListener('message', onready);
    // The frame's origin is nobody's, so it cannot be named here.
    frame.contentWindow?.postMessage(content, '*', port ? [port] : []);
  }
  addEventListener('message', onready);
  frame.setAttribute('sandbox', PERMISSIONS);
  frame.setAttribute('referrerpolicy', 'no-referrer');
  frame.setAttribute('allow', '');
  frame.src = address;
  return () => removeEventListener('message', onready);
}
