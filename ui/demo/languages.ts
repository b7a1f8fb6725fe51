/** The window in other languages than English (`?demo=german`, `?demo=arabic`). */
import type { Language, Message } from '../src/backend/types';
import { MESSAGES } from './data';

/** The language that a scene is in. */
export const SPOKEN: Record<string, Language> = { german: 'de', arabic: 'ar' };

const ANSWER = `تكسر **عدسة فرينل** الضوء بحلقات رقيقة بدلا من كتلة واحدة سميكة من الزجاج (انظر \`focal_length\` أدناه).

1. كل حلقة منشور صغير له زاويته الخاصة.
2. معا تجمع ضوء مصباح واحد في حزمة مستوية:
   - وزن أقل،
   - زجاج أقل يضيع فيه الضوء.

> تدين لها حياة ملايين البحارة.

| الرتبة | البعد البؤري | المكان |
|:-------|-------------:|--------|
| الأولى | 920 mm | السواحل |
| السادسة | 150 mm | الأرصفة |

\`\`\`python
def angle(radius: float, focal_length: float) -> float:
    return radius / (focal_length * 0.52)  # Snell's law
\`\`\`

The same paragraph in English begins on its own side: $f = 920$.`;

/** Words that run from right to left, with code and figures among them. */
export const ARABIC: Message[] = [
  { ...MESSAGES[0]!, content: 'كيف تعمل عدسة المنارة؟' },
  { ...MESSAGES[2]!, id: 'm6', parentId: 'm1', content: ANSWER },
];
