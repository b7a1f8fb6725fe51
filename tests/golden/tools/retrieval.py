"""What ranking by words and by meaning must give for a made-up collection (../documents/retrieval.json).

BM25 as Robertson and Zaragoza (2009) write it, with k1 = 1.2, b = 0.75 and the inverse frequency that has no negative
values; cosines in double precision; both joined by reciprocal rank fusion with 60. Only the standard library is used.

The words are made of letters that no stemmer changes, so that what a word is, is no question.

    python retrieval.py
"""

import json
import math
import random
from pathlib import Path

OUT = Path(__file__).parent.parent / "documents" / "retrieval.json"
K1, B, RANK_OFFSET, DIMENSIONS = 1.2, 0.75, 60, 24


def words(count, seed):
    chosen = random.Random(seed)
    letters = "bdkmpt", "ou"
    made = set()
    while len(made) < count:
        made.add("".join(chosen.choice(letters[i % 2]) for i in range(7)))
    return sorted(made)


def unit(vector):
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def bm25(collection, query):
    lengths = [len(text) for text in collection]
    mean = sum(lengths) / len(lengths)
    scores = [0.0] * len(collection)
    for word in dict.fromkeys(query):
        having = sum(word in text for text in collection)
        rarity = max(1e-6, math.log((len(collection) - having + 0.5) / (having + 0.5)))
        for i, text in enumerate(collection):
            often = text.count(word)
            scores[i] += rarity * often * (K1 + 1) / (often + K1 * (1 - B + B * lengths[i] / mean))
    return [i for i in sorted(range(len(collection)), key=lambda i: (-scores[i], i)) if scores[i] > 0]


def fuse(rankings):
    scores = {}
    for ranking in rankings:
        for rank, i in enumerate(ranking, 1):
            scores[i] = scores.get(i, 0) + 1 / (RANK_OFFSET + rank)
    return sorted(scores, key=lambda i: -scores[i])


def main():
    chosen = random.Random(3)
    vocabulary = words(160, 4)
    # Words that are rare somewhere are common elsewhere, as subjects are.
    subjects = [chosen.sample(vocabulary, 12) for _ in range(10)]
    meanings = [unit([chosen.gauss(0, 1) for _ in range(DIMENSIONS)]) for _ in subjects]
    passages, vectors, queries = [], [], []
    for i in range(120):
        subject = i % len(subjects)
        length = chosen.randrange(15, 60)
        text = [chosen.choice(subjects[subject] if chosen.random() < 0.2 else vocabulary) for _ in range(length)]
        passages.append(text)
        vectors.append(unit([x + chosen.gauss(0, 0.3) for x in meanings[subject]]))
    for subject in range(len(subjects)):
        query = chosen.sample(subjects[subject], 3)
        vector = unit([x + chosen.gauss(0, 0.3) for x in meanings[subject]])
        by_words = bm25(passages, query)[:50]
        likeness = [sum(a * b for a, b in zip(vector, other)) for other in vectors]
        by_meaning = sorted(range(len(vectors)), key=lambda i: -likeness[i])[:50]
        queries.append({
            "query": " ".join(query),
            "vector": [round(x, 7) for x in vector],
            "subject": subject,
            "by_words": by_words,
            "by_meaning": by_meaning,
            "fused": fuse([by_words, by_meaning])[:20],
        })
    OUT.write_text(json.dumps({
        "passages": [" ".join(text) for text in passages],
        "vectors": [[round(x, 7) for x in vector] for vector in vectors],
        "subjects": len(subjects),
        "queries": queries,
    }, separators=(",", ":")))


if __name__ == "__main__":
    main()
