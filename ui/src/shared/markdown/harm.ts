/** For tests: what in a piece of HTML could do harm once it is in a page. Its lists are its own, and not the renderer's. */

const ELEMENTS = new Set(
  (
    'P BR HR H1 H2 H3 H4 H5 H6 BLOCKQUOTE UL OL LI STRONG EM DEL CODE PRE SPAN DIV A IMG BUTTON TABLE THEAD TBODY TR ' +
    'TH TD SUP MATH SEMANTICS MROW MI MN MO MTEXT MSPACE MFRAC MSQRT MROOT MSTYLE MPADDED MPHANTOM MENCLOSE MSUB MSUP ' +
    'MSUBSUP MUNDER MOVER MUNDEROVER MTABLE MTR MTD'
  ).split(' '),
);
const ATTRIBUTES = new Set(
  (
    'class href title start src alt type role tabindex scope aria-label data-href data-copy data-image data-wrap ' +
    'data-preview data-note data-to-note data-from-note display mathvariant mathcolor mathbackground stretchy fence ' +
    'separator lspace rspace minsize maxsize movablelimits accent accentunder linethickness displaystyle scriptlevel ' +
    'columnalign columnspacing rowspacing columnlines rowlines width height depth voffset notation'
  ).split(' '),
);
/** Classes that the renderer gives; others could make words look like parts of the window. */
const CLASS = /^(?:md-[a-z-]+|hljs(?:-[\w-]+)?|language-[a-z]+|katex|tml-[\w-]+|[a-z]+_)$/;

function harmIn(element: Element): string[] {
  const found: string[] = [];
  if (!ELEMENTS.has(element.tagName.toUpperCase())) found.push(`<${element.tagName}>`);
  for (const { name, value } of element.attributes) {
    if (!ATTRIBUTES.has(name)) found.push(`${name}="${value}"`);
    if (name === 'href' && !/^https?:\/\//.test(value)) found.push(`href="${value}"`);
    if (name === 'data-href' && !/^https?:\/\//.test(value)) found.push(`data-href="${value}"`);
    if (name === 'data-image' && !/^https?:\/\//.test(value)) found.push(`data-image="${value}"`);
    if (name === 'src' && !/^data:image\/(?:png|jpe?g|gif|webp);base64,[\w+/=]*$/.test(value)) {
      found.push(`src="${value}"`);
    }
    if (/^math(?:color|background)$/.test(name) && !/^(?:#[\da-f]{3,8}|[a-z]+)$/i.test(value)) {
      found.push(`${name}="${value}"`);
    }
  }
  for (const one of element.classList) if (!CLASS.test(one)) found.push(`class="${one}"`);
  return found;
}

/** Every harm, also that which appears only when the page is written out and read again. */
export function harm(html: string): string[] {
  const page = document.createElement('div');
  page.innerHTML = html;
  const again = document.createElement('div');
  again.innerHTML = page.innerHTML;
  return [page, again].flatMap((root) => [...root.querySelectorAll('*')].flatMap(harmIn));
}
