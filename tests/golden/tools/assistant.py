"""Golden answers of an assistant that guesses tokens for a Gemma 4 model: `assistant.py --converter DIR --out DIR`.

Makes a tiny model and its assistant with random weights, lets llama.cpp's converter make files of both, and writes what
`transformers` makes of them: `first` has the assistant's logits behind each of the `positions` (of the last hidden state there, the
token that came next, and the model's keys and values so far), `guesses` three tokens that it guesses by going on, as
`transformers` does when it generates with an assistant, and `leads` how far each is before the runner-up.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

import export
import golden
import weights

TOKENIZER = Path(__file__).parent.parent / "tokenizers" / "tiny-gemma4.gguf"
NAME, SEED, GUESSES = "gemma4_assisted", 615, 3
SMALL = dict(vocab_size=512, num_attention_heads=4, num_key_value_heads=2, head_dim=16, global_head_dim=32, sliding_window=16,
             hidden_size_per_layer_input=0, max_position_embeddings=2048, vocab_size_per_layer_input=512)
TARGET = dict(SMALL, hidden_size=48, intermediate_size=64, num_hidden_layers=4, num_kv_shared_layers=0,
              layer_types=["sliding_attention", "full_attention"] * 2, final_logit_softcapping=8.0)
ASSISTANT = dict(SMALL, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_kv_shared_layers=3,
                 vocab_size_per_layer_input=0, layer_types=["sliding_attention", "sliding_attention", "full_attention"])


def made(model, seed):
    model.eval()
    weights.randomise(model, seed)
    return model


def save(model, out: Path) -> None:
    with tempfile.TemporaryDirectory() as checkpoint:
        model.save_pretrained(checkpoint)
        # Where the converter looks up how many tokens there are.
        tokenizer = {"model": {"vocab": {str(token): token for token in range(512)}}, "added_tokens": []}
        (Path(checkpoint) / "tokenizer.json").write_text(json.dumps(tokenizer))
        export.export(Path(checkpoint), out, TOKENIZER, next_tokens=True)


@torch.no_grad()
def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--converter", required=True, help="folder with llama.cpp's convert_hf_to_gguf.py")
    arguments.add_argument("--out", required=True, type=Path)
    options = arguments.parse_args()
    export.use_converter(options.converter)
    torch.manual_seed(SEED)
    config = transformers.Gemma4TextConfig(**TARGET)
    config._attn_implementation = "eager"
    model = made(transformers.Gemma4ForCausalLM._from_config(config, dtype=torch.float32), SEED)
    small = transformers.Gemma4AssistantConfig(text_config=transformers.Gemma4TextConfig(**ASSISTANT), backbone_hidden_size=48)
    small._attn_implementation = "eager"
    assistant = made(transformers.Gemma4AssistantForCausalLM._from_config(small, dtype=torch.float32), SEED + 1)
    for folder in ("models", "golden", "mtp"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    file, small_file = (options.out / "models" / f"{name}-F32.gguf" for name in (NAME, f"{NAME}_assistant"))
    save(model, file)
    save(assistant, small_file)
    ordinary, first = export.vocabulary_ids(TOKENIZER)
    answer = golden.answer(model, ordinary, first, SEED)
    golden.write(answer, options.out / "golden" / f"{NAME}-F32.safetensors")
    ids = answer["token_ids"][None]
    positions, logits, guesses, leads = list(range(4, ids.shape[1] - 1, 4)), [], [], []
    for position in positions:
        seen = model(input_ids=ids[:, : position + 1], output_hidden_states=True, return_shared_kv_states=True)
        # In layers with a window it sees what the model's next token will see.
        kept = {kind: [part[:, :, 1 - SMALL["sliding_window"] :] if kind == "sliding_attention" else part for part in both]
                for kind, both in seen.shared_kv_states.items()}
        hidden, token = seen.hidden_states[-1][:, -1:], ids[:, position + 1 : position + 2]
        for step in range(GUESSES):
            embedded = torch.cat([model.get_input_embeddings()(token), hidden], dim=-1)
            said = assistant(inputs_embeds=embedded, position_ids=torch.tensor([[position + 1]]), shared_kv_states=kept,
                             attention_mask=torch.ones_like(ids[:, : position + 2]), use_cache=False)
            best = said.logits[0, -1].topk(2)
            if step == 0:
                logits.append(said.logits[0, -1])
            token, hidden = best.indices[None, :1], said.last_hidden_state
            guesses.append(int(best.indices[0]))
            leads.append(float(best.values[0] - best.values[1]))
    save_file(
        dict(
            first=torch.stack(logits).contiguous(),
            positions=torch.tensor(positions),
            guesses=torch.tensor(guesses).view(-1, GUESSES),
            leads=torch.tensor(leads).view(-1, GUESSES),
        ),
        options.out / "mtp" / f"{NAME}-F32.safetensors",
    )
    entry = golden.manifest_entry(NAME, "gemma4", SEED, file, options.out / "golden" / f"{NAME}-F32.safetensors", answer,
                                  json.loads(model.config.to_json_string()))
    (options.out / "manifest.json").write_text(json.dumps(entry))
    print(f"distinct answers {len(set(entry['greedy_ids']))}, distinct guesses {len(set(guesses))}, least lead {min(leads):.3f}")


if __name__ == "__main__":
    main()
