"""What the head that predicts further tokens (MTP) of a Qwen 3.5 file must say: `mtp.py --golden tests/golden`.

Written in torch from the published definition (Qwen3-Next's technical notes; vLLM's `qwen3_next_mtp`): the head sees what the
model made of a token behind its final norm and the token that came next, each behind a norm of its own, both in one vector;
then come a projection, a block of full attention with keys and values of its own, a norm and the model's output matrix. What
the head made, behind its norm, is what it sees when it goes on over its own guess.

The model in front of it is computed here as well, and compared with the golden logits of `transformers` before anything is
written. In the file: `first` has the head's logits behind every token whose successor is known; `guesses` has, behind each of
the `positions`, three tokens that the head guesses by going on, and `leads` how far each is before the runner-up.
"""

import argparse
import json
from pathlib import Path

import torch
from gguf import GGUFReader
from safetensors.torch import load_file, save_file

NAME, GUESSES = "qwen35_dense_mtp-F32", 3


class File:
    def __init__(self, path: Path):
        reader = GGUFReader(path)
        self.tensors = {t.name: torch.tensor(t.data.copy()).double() for t in reader.tensors}
        self.keys = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("tokenizer")}

    def __call__(self, name: str) -> torch.Tensor:
        return self.tensors[f"{name}.weight" if f"{name}.weight" in self.tensors else name]

    def key(self, name: str):
        return self.keys[f"qwen35.{name}"]


def norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def turn(x, positions, size, base):
    """The first `size` numbers of each head, the first half of them with the second."""
    rates = base ** (-torch.arange(0, size, 2).double() / size)
    angles = positions[:, None, None].double() * rates
    a, b = x[..., : size // 2], x[..., size // 2 : size]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin(), x[..., size:]], -1)


class Model:
    def __init__(self, file: File):
        self.file, self.eps = file, file.key("attention.layer_norm_rms_epsilon")
        self.heads, self.kv_heads = file.key("attention.head_count"), file.key("attention.head_count_kv")
        self.size = file.key("attention.key_length")

    def attention(self, at, x, positions, kept=None):
        """Keys and values of rows before these in `kept`, which becomes those of all."""
        rows = len(x)
        both = (x @ self.file(f"{at}.attn_q").T).view(rows, self.heads, 2, self.size)
        k = (x @ self.file(f"{at}.attn_k").T).view(rows, self.kv_heads, self.size)
        v = (x @ self.file(f"{at}.attn_v").T).view(rows, self.kv_heads, self.size)
        turned = self.file.key("rope.dimension_count"), self.file.key("rope.freq_base")
        q = turn(norm(both[:, :, 0], self.file(f"{at}.attn_q_norm"), self.eps), positions, *turned)
        k = turn(norm(k, self.file(f"{at}.attn_k_norm"), self.eps), positions, *turned)
        if kept is not None:
            k, v = torch.cat([kept[0], k]), torch.cat([kept[1], v])
        each = self.heads // self.kv_heads
        scores = torch.einsum("ihd,jhd->hij", q, k.repeat_interleave(each, 1)) / self.size**0.5
        ahead = torch.arange(len(k))[None] > torch.arange(len(k) - rows, len(k))[:, None]
        seen = torch.einsum("hij,jhd->ihd", scores.masked_fill(ahead, float("-inf")).softmax(-1), v.repeat_interleave(each, 1))
        return (seen * both[:, :, 1].sigmoid()).flatten(1) @ self.file(f"{at}.attn_output").T, (k, v)

    def delta_net(self, at, x):
        rows, heads, size = len(x), self.file.key("ssm.time_step_rank"), self.file.key("ssm.state_size")
        seen = x @ self.file(f"{at}.attn_qkv").T
        taps = self.file.key("ssm.conv_kernel")
        padded = torch.cat([torch.zeros(taps - 1, seen.shape[1]).double(), seen])
        filters = self.file(f"{at}.ssm_conv1d")
        mixed = torch.nn.functional.silu(sum(padded[tap : tap + rows] * filters[:, tap] for tap in range(taps)))
        q, k, v = (part.reshape(rows, heads, size) for part in mixed.chunk(3, dim=1))
        unit = lambda x: x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + 1e-6)
        q, k = unit(q) / size**0.5, unit(k)
        beta = (x @ self.file(f"{at}.ssm_beta").T).sigmoid()
        step = torch.nn.functional.softplus(x @ self.file(f"{at}.ssm_alpha").T + self.file(f"{at}.ssm_dt.bias"))
        decay = (self.file(f"{at}.ssm_a") * step).exp()
        state, out = torch.zeros(heads, size, size).double(), []
        for row in range(rows):
            state = state * decay[row, :, None, None]
            said = torch.einsum("hkv,hk->hv", state, k[row])
            state = state + torch.einsum("hk,hv->hkv", k[row], beta[row, :, None] * (v[row] - said))
            out.append(torch.einsum("hkv,hk->hv", state, q[row]))
        gate = torch.nn.functional.silu(x @ self.file(f"{at}.attn_gate").T)
        return norm(torch.stack(out), self.file(f"{at}.ssm_norm"), self.eps).flatten(1) * gate @ self.file(f"{at}.ssm_out").T

    def network(self, at, x):
        x = norm(x, self.file(f"{at}.post_attention_norm"), self.eps)
        inner = torch.nn.functional.silu(x @ self.file(f"{at}.ffn_gate").T) * (x @ self.file(f"{at}.ffn_up").T)
        return inner @ self.file(f"{at}.ffn_down").T

    def hidden(self, ids):
        x, positions = self.file("token_embd")[ids], torch.arange(len(ids))
        for layer in range(self.file.key("block_count") - self.file.key("nextn_predict_layers")):
            at = f"blk.{layer}"
            normed = norm(x, self.file(f"{at}.attn_norm"), self.eps)
            linear = self.file.key("attention.recurrent_layers")[layer]
            x = x + (self.delta_net(at, normed) if linear else self.attention(at, normed, positions)[0])
            x = x + self.network(at, x)
        return norm(x, self.file("output_norm"), self.eps)

    def head(self, hidden, tokens, positions, kept=None):
        """What the head makes behind its norm, and its keys and values."""
        at = f"blk.{self.file.key('block_count') - 1}"
        embedded = norm(self.file("token_embd")[tokens], self.file(f"{at}.nextn.enorm"), self.eps)
        both = torch.cat([embedded, norm(hidden, self.file(f"{at}.nextn.hnorm"), self.eps)], -1)
        x = both @ self.file(f"{at}.nextn.eh_proj").T
        seen, kept = self.attention(at, norm(x, self.file(f"{at}.attn_norm"), self.eps), positions, kept)
        x = x + seen
        x = x + self.network(at, x)
        return norm(x, self.file(f"{at}.nextn.shared_head_norm"), self.eps), kept

    def logits(self, hidden):
        return hidden @ self.file("output").T


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--golden", type=Path, required=True)
    folder = parser.parse_args().golden
    case = next(c for c in json.loads((folder / "manifest.json").read_text()) if c["file"] == f"models/{NAME}.gguf")
    ids = torch.tensor(case["prompt_ids"] + case["greedy_ids"])
    model = Model(File(folder / case["file"]))
    hidden = model.hidden(ids)
    golden = load_file(folder / case["logits"])
    off = (model.logits(hidden)[golden["positions"]] - golden["logits"]).abs().max()
    if off > 1e-4:
        raise SystemExit(f"the model in front of the head is off by {off}")
    print(f"the model's own logits are off by {off:.1e}")
    made, (k, v) = model.head(hidden[:-1], ids[1:], torch.arange(len(ids) - 1))
    positions, guesses, leads = list(range(10, len(ids) - 1, 4)), [], []
    for position in positions:
        end = position + 1
        row, kept, chain = made[position:end], (k[:end], v[:end]), []
        for step in range(GUESSES):
            if step > 0:
                token = torch.tensor(chain[-1:])
                row, kept = model.head(row, token, torch.tensor([position + step]), kept)
            best = model.logits(row)[0].topk(2)
            chain.append(int(best.indices[0]))
            leads.append(float(best.values[0] - best.values[1]))
        guesses.append(chain)
    (folder / "mtp").mkdir(exist_ok=True)
    save_file(
        dict(
            first=model.logits(made).float().contiguous(),
            positions=torch.tensor(positions),
            guesses=torch.tensor(guesses),
            leads=torch.tensor(leads).view(-1, GUESSES).float(),
        ),
        folder / "mtp" / f"{NAME}.safetensors",
    )
    right = sum(int(made_.argmax()) == int(token) for made_, token in zip(model.logits(made[:-1]), ids[2:]))
    print(f"{right} of {len(ids) - 2} first guesses are the token that comes; the least lead is {min(leads):.3f}")


if __name__ == "__main__":
    main()
