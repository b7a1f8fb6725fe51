// Runs in the sandbox, behind the diagram library: draws what arrives at the port and sends the picture back.
/* global mermaid, port */
let count = 0;

port.onmessage = async ({ data: { id, source, dark } }) => {
  try {
    mermaid.initialize({
      startOnLoad: false,
      securityLevel: 'strict',
      theme: dark ? 'dark' : 'default',
      // A diagram may not change how it is drawn where that could add anything but lines and words.
      secure: [
        'secure',
        'securityLevel',
        'startOnLoad',
        'maxTextSize',
        'maxEdges',
        'htmlLabels',
        'flowchart',
        'themeCSS',
        'fontFamily',
        'suppressErrorRendering',
      ],
      htmlLabels: false,
      flowchart: { htmlLabels: false },
      class: { htmlLabels: false },
      maxTextSize: 50_000,
      maxEdges: 500,
      suppressErrorRendering: true,
      fontFamily: 'system-ui, sans-serif',
    });
    const { svg } = await mermaid.render(`diagram-${(count += 1)}`, source);
    port.postMessage({ id, svg: standalone(svg) });
  } catch (error) {
    port.postMessage({ id, error: String(error?.message ?? error).slice(0, 500) });
  }
};
port.postMessage('ready');

/** The picture as a file of its own, with the size that its contents have. */
function standalone(text) {
  const picture = new DOMParser().parseFromString(text, 'text/html').querySelector('svg');
  const [, , width, height] = (picture.getAttribute('viewBox') ?? '').split(/[\s,]+/).map(Number);
  picture.removeAttribute('style');
  if (width > 0 && height > 0) {
    picture.setAttribute('width', String(Math.ceil(width)));
    picture.setAttribute('height', String(Math.ceil(height)));
  }
  return new XMLSerializer().serializeToString(picture);
}
