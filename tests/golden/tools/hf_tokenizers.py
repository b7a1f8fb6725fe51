"""Tiny tokenizers of the kinds that families have, as `tokenizers` saves them: 128 tokens, of which most are ASCII."""

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

CONTRACTION, SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)", r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + SUFFIX
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + SUFFIX
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*" + SUFFIX
GPT4O = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTION}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTION}?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*") + SUFFIX
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*""" + SUFFIX)

TEXTS = ["Hello world", "It's 12345 days,  isn't it?", "Yes:\n\ttrue", " leading and trailing ", "a<|end|>b"]
SIZE = 128
PAIRS = [("l", "o"), ("e", "r"), ("i", "s"), ("i", "n"), ("in", "g"), ("h", "e"), ("a", "n"), ("an", "d"), ("1", "2")]


def _split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def _bytes(*steps, regex=False):
    return pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)])


PRE = {
    "llama-bpe": lambda: _bytes(_split(LLAMA3)),
    "qwen2": lambda: _bytes(_split(QWEN2)),
    "qwen35": lambda: _bytes(_split(QWEN35)),
    "tekken": lambda: _bytes(_split(TEKKEN)),
    "gpt-4o": lambda: _bytes(_split(GPT4O)),
    "refact": lambda: _bytes(pre_tokenizers.Digits(individual_digits=True), regex=True),
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "deepseek-v3": lambda: _bytes(_split(r"\p{N}{1,3}"), _split("[一-龥぀-ゟ゠-ヿ]+"), _split(DEEPSEEK3)),
}


def build(kind):
    """A tokenizer, and the settings beside it."""
    made = _of_characters(kind) if kind in ("spm", "gemma4") else _of_bytes(PRE[kind]())
    ids = [made.token_to_id(text) for text in ("<s>", "<|end|>")]
    assert ids == [1, 2] and made.get_vocab_size() == SIZE, (ids, made.get_vocab_size())
    settings = {"bos_token": "<s>", "eos_token": "<|end|>"}
    if kind in ("spm", "gemma4"):
        settings["unk_token"] = "<unk>"
    if kind in ("spm", "gemma4", "tekken"):
        made.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", 1)])
    template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"
    return made, settings | {"chat_template": template}


def _of_bytes(pre):
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    visible = [c for c in letters if "!" <= c <= "~"] + ["Ġ", "Ċ", "ĉ"]
    spaced = [("Ġ", "t"), ("Ġ", "w"), ("Ċ", "ĉ")]
    made = _with(visible, PAIRS + spaced, lambda vocab, merges: models.BPE(vocab, merges))
    made.pre_tokenizer, made.decoder = pre, decoders.ByteLevel()
    return made


def _of_characters(kind):
    letters = [chr(c) for c in range(33, 127)] + ["▁", "\n", "\t"]
    spaced = [("▁", "t"), ("▁", "w")]
    make = lambda vocab, merges: models.BPE(vocab, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    made = _with(letters, PAIRS + spaced, make)
    made.normalizer = normalizers.Replace(" ", "▁")
    if kind == "gemma4":
        made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return made


def _with(letters, merges, model):
    tokens = ["<unk>", "<s>", "<|end|>", *letters, *(a + b for a, b in merges)]
    tokens += [f"<extra{i}>" for i in range(SIZE - len(tokens))]
    made = Tokenizer(model({token: i for i, token in enumerate(tokens)}, merges))
    made.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in tokens[:3]])
    return made
