"""Writes the golden vocabularies for embedding models: `tokenizers/tiny-wordpiece.*` and `tokenizers/tiny-unigram.*`.

Both are trained on the texts of the other golden vocabularies. The expected ids are those of the PyPI packages
`tokenizers` (0.23) and `sentencepiece` (0.2), which the models' authors use. Run with them and `protobuf` installed:
`python make_vocabularies.py`.
"""

import io
import json
import pathlib
import struct

import sentencepiece
from tokenizers import BertWordPieceTokenizer

ROOT = pathlib.Path(__file__).parents[3]
OUT = ROOT / "tests/golden/tokenizers"
SIZE = 512
NORMAL, UNKNOWN, CONTROL = 1, 2, 3

cases = json.loads((OUT / "tiny-qwen2.json").read_text())["cases"]
# A zero byte ends a text for sentencepiece. One character repeated can be cut in many ways of the same score, among which
# rounding decides.
texts = sorted({case["text"] for case in cases if "\0" not in case["text"] and len(set(case["text"])) > 1})
corpus = texts * 3


def write_gguf(path, keys):
    """A GGUF file without tensors; the types are those of the format: 4 u32, 5 i32, 6 f32, 7 bool, 8 string."""
    def text(value):
        value = value.encode()
        return struct.pack("<Q", len(value)) + value

    def scalar(kind, value):
        return text(value) if kind == 8 else struct.pack({0: "<B", 4: "<I", 5: "<i", 6: "<f", 7: "<?"}[kind], value)

    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys))
    for name, (kind, value) in keys.items():
        out += text(name)
        if isinstance(value, list):
            out += struct.pack("<IIQ", 9, kind, len(value)) + b"".join(scalar(kind, item) for item in value)
        else:
            out += struct.pack("<I", kind) + scalar(kind, value)
    path.write_bytes(out)


def write_golden(name, about, encode, decode):
    golden = []
    for text in texts:
        for special in (False, True):
            ids = encode(text, special)
            golden.append({"text": text, "add_special": special, "parse_special": False, "ids": ids,
                           "decoded": decode(ids)})
    (OUT / f"{name}.json").write_text(json.dumps({"name": name, **about, "cases": golden}, ensure_ascii=False))
    print(name, len(golden), "cases")


def word_piece():
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(corpus, vocab_size=SIZE, show_progress=False)
    # Only one made of a vocabulary puts `[CLS]` and `[SEP]` around a text.
    tokenizer = BertWordPieceTokenizer(vocab=tokenizer.get_vocab(), lowercase=True)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # GGUF writes a piece that begins a word with U+2581 in front, and the others without the two hashes.
    spelt = lambda t: t if t in special else t[2:] if t.startswith("##") else "\u2581" + t
    ids = tokenizer.get_vocab()
    key = "tokenizer.ggml."
    write_gguf(OUT / "tiny-wordpiece.gguf", {
        "general.architecture": (8, "bert"),
        key + "model": (8, "bert"),
        key + "pre": (8, "bert-bge"),
        key + "tokens": (8, [spelt(token) for token, _ in vocabulary]),
        key + "token_type": (5, [CONTROL if token in special else NORMAL for token, _ in vocabulary]),
        key + "unknown_token_id": (4, ids["[UNK]"]),
        key + "seperator_token_id": (4, ids["[SEP]"]),
        key + "padding_token_id": (4, ids["[PAD]"]),
        key + "cls_token_id": (4, ids["[CLS]"]),
        key + "mask_token_id": (4, ids["[MASK]"]),
    })
    # Words are taken apart first: `[CLS]` typed by a person is three words.
    def encode(text, special):
        tokenizer._tokenizer.encode_special_tokens = True
        return tokenizer.encode(text, add_special_tokens=special).ids

    def decode(ids):
        return "".join(spelt(tokenizer.id_to_token(id)).replace("\u2581", " ") for id in ids)

    about = {"tokenizer_model": "bert", "reference": "tokenizers 0.23, BertWordPieceTokenizer"}
    write_golden("tiny-wordpiece", about, encode, decode)


def unigram():
    model = io.BytesIO()
    rules = OUT / "rules.tsv"
    # Full-width letters, ligatures and some spaces become plain; the whole of NFKC would be 240 kB.
    pairs = [(chr(0xFF01 + i), chr(0x21 + i)) for i in range(94)]
    pairs += [("ﬁ", "fi"), ("²", "2"), ("\u00a0", " "), ("\u3000", " "), ("\t", " "), ("\n", " "), ("\u200d", "")]
    code = lambda text: " ".join(f"{ord(c):X}" for c in text)
    rules.write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in pairs))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=model, model_type="unigram", vocab_size=SIZE,
        normalization_rule_tsv=str(rules), bos_id=0, pad_id=1, eos_id=2, unk_id=3, unk_surface="<unk>",
        hard_vocab_limit=False, minloglevel=2, num_threads=1)
    rules.unlink()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    from sentencepiece import sentencepiece_model_pb2 as proto
    charsmap = proto.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap
    count = processor.vocab_size()
    kind = lambda id: UNKNOWN if processor.is_unknown(id) else CONTROL if processor.is_control(id) else NORMAL
    key = "tokenizer.ggml."
    write_gguf(OUT / "tiny-unigram.gguf", {
        "general.architecture": (8, "bert"),
        key + "model": (8, "t5"),
        key + "pre": (8, "default"),
        key + "tokens": (8, [processor.id_to_piece(id) for id in range(count)]),
        key + "scores": (6, [processor.get_score(id) for id in range(count)]),
        key + "token_type": (5, [kind(id) for id in range(count)]),
        key + "add_space_prefix": (7, True),
        key + "remove_extra_whitespaces": (7, True),
        key + "precompiled_charsmap": (0, list(charsmap)),
        key + "bos_token_id": (4, 0),
        key + "eos_token_id": (4, 2),
        key + "unknown_token_id": (4, 3),
        key + "add_bos_token": (7, True),
        key + "add_eos_token": (7, True),
    })

    def encode(text, special):
        return processor.encode(text, add_bos=special, add_eos=special)

    def decode(ids):
        return "".join(processor.id_to_piece(id).replace("\u2581", " ") for id in ids)

    about = {"tokenizer_model": "t5", "reference": "sentencepiece 0.2, unigram"}
    write_golden("tiny-unigram", about, encode, decode)


word_piece()
unigram()
