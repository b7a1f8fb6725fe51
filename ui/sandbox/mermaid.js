// Runs in the sandbox, behind the diagram library: draws what arrives at the port and sends the picture back.
/* global mermaid, port */
let count = 0;

// The colours of `tokens.css`, which does not reach in here.
const PAPER = {
  primaryColor: '#fdf3df',
  primaryBorderColor: '#d3a653',
  primaryTextColor: '#26211b',
  secondaryColor: '#f0eadf',
  tertiaryColor: '#fdfcfa',
  lineColor: '#6f6558',
  edgeLabelBackground: '#f8f5ef',
  background: '#f8f5ef',
};
const EMBERS = {
  darkMode: true,
  primaryColor: '#33271a',
  primaryBorderColor: '#94723a',
  primaryTextColor: '#efe9e0',
  secondaryColor: '#2a2520',
  tertiaryColor: '#1e1a17',
  lineColor: '#a0958a',
  edgeLabelBackground: '#131110',
  background: '#131110',
};

port.onmessage = async ({ data: { id, source, dark } }) => {
  try {
    mermaid.initialize({
      startOnLoad: false,
      securityLevel: 'strict',
      theme: 'base',
      themeVariables: dark ? EMBERS : PAPER,
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
