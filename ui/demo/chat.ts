/** A conversation with everything that an answer may hold beside words (`?demo=rich`). */
import type { Message } from '../src/backend/types';
import { MESSAGES } from './data';

const RICH_ANSWER = String.raw`The beam of a lens of focal length $f$ and a lamp of radius $r$ spreads by \(\theta = \arctan(r/f)\).[^spread]

$$
\theta(920) = \arctan\frac{25}{920} \approx \begin{cases} 1.56^\circ & \text{clear air} \\ \int_0^R \sqrt{\frac{a_n}{b^2}}\,dx & \text{fog} \end{cases}
$$

~~~mermaid
flowchart LR
  Lamp --> Lens
  Lens --> Beam{Seen?}
  Beam -->|yes| Ship
  Beam -->|no| Rocks
~~~

And something to look at:

~~~html
<!doctype html>
<body style="font-family: sans-serif; text-align: center">
<h1>Lighthouse</h1>
<button onclick="this.textContent = 'It flashes: ' + (window.n = (window.n || 0) + 1)">Flash</button>
</body>
~~~

[^spread]: The lamp is no point, so the beam is *never* quite parallel.`;

export const RICH: Message[] = [
  { ...MESSAGES[0]!, content: 'How far does the beam spread?' },
  { ...MESSAGES[2]!, id: 'm6', parentId: 'm1', content: RICH_ANSWER },
];

/** A conversation of so many messages, of all lengths (`?demo=long`). */
export function long(count: number): Message[] {
  return Array.from({ length: count }, (_, index) => {
    const asked = index % 2 === 0;
    const words = MESSAGES[2]!.content.slice(0, 40 + ((index * 7919) % 900));
    return {
      ...MESSAGES[asked ? 0 : 2]!,
      id: index === count - 1 ? 'm6' : `l${index}`,
      parentId: index === 0 ? null : `l${index - 1}`,
      content: asked ? `Question ${index}` : `Answer ${index}. ${words}`,
    };
  });
}
