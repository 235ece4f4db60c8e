"""The witness models, written once as a user would: an MLP, a LeNet, a recurrent cell over a sequence, a GPT. Tests, benchmarks and notebooks
share them. `example(name)` gives each with a batch and its loss.
"""

import math

import numpy as np

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.nn import functional as F

__all__ = ["GPT", "LeNet", "MODELS", "RNN", "example", "mlp"]


def mlp(*widths):
    """Linear layers of these widths with tanh between them."""
    layers = []
    for n_in, n_out in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(n_in, n_out), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def weight(*shape, std=0.02):
    return nn.Parameter(tl.randn(*shape).data * std)


class LeNet(nn.Module):
    """Two 5x5 convolutions with pooling, two Linear layers: (n, 1, 28, 28) -> (n, 10). LeCun et al. 1998, with relu and max pooling."""

    def __init__(self):
        self.conv1, self.bias1 = weight(6, 1, 5, 5, std=0.2), nn.Parameter(np.zeros(6, np.float32))
        self.conv2, self.bias2 = weight(16, 6, 5, 5, std=0.08), nn.Parameter(np.zeros(16, np.float32))
        self.hidden, self.out = nn.Linear(16 * 4 * 4, 84), nn.Linear(84, 10)

    def forward(self, x):
        h = F.max_pool2d(F.relu(F.conv2d(x, self.conv1, self.bias1)), 2)  # (n, 6, 12, 12)
        h = F.max_pool2d(F.relu(F.conv2d(h, self.conv2, self.bias2)), 2)  # (n, 16, 4, 4)
        return self.out(F.relu(self.hidden(h.reshape(len(x), -1))))


class RNN(nn.Module):
    """h_t = tanh(W x_t + U h_(t-1) + b), and a Linear layer on the last h: (steps, n, inputs) -> (n, outputs). Elman 1990."""

    def __init__(self, inputs, hidden, outputs):
        self.W, self.U = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, outputs)
        self.hidden = hidden

    def forward(self, x):
        h = tl.zeros(x.shape[1], self.hidden, dtype=x.dtype)
        for x_t in x:
            h = tl.tanh(self.W(x_t) + self.U(h))
        return self.out(h)


class LayerNorm(nn.Module):
    def __init__(self, width):
        self.weight, self.bias = nn.Parameter(np.ones(width, np.float32)), nn.Parameter(np.zeros(width, np.float32))

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias)


class Attention(nn.Module):
    """Causal self-attention: (n, tokens, width) -> the same. Vaswani et al. 2017."""

    def __init__(self, width, heads):
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, tokens, width = x.shape
        parts = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).transpose(2, 0, 3, 1, 4)  # (3, n, heads, tokens, d)
        h = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        return self.proj(h.transpose(0, 2, 1, 3).reshape(n, tokens, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        self.ln1, self.attn = LayerNorm(width), Attention(width, heads)
        self.ln2, self.up, self.down = LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.down(F.gelu(self.up(self.ln2(x))))


class GPT(nn.Module):
    """Token and position embedding, blocks of attention and GELU MLP, tied output: (n, tokens) -> (n, tokens, vocabulary). Radford 2019."""

    def __init__(self, vocabulary, context, width, heads, depth):
        self.tokens, self.positions = weight(vocabulary, width), weight(context, width)
        self.blocks = [Block(width, heads) for _ in range(depth)]
        self.ln = LayerNorm(width)

    def forward(self, ids):
        x = F.embedding(ids, self.tokens) + self.positions[:ids.shape[-1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.ln(x), self.tokens)


MODELS = ("mlp", "lenet", "rnn", "gpt")


def example(name, seed=0, **sizes):
    """(model, loss()): a model with first values and a batch that depend on `seed`, and the function that computes its loss."""
    tl.manual_seed(seed)
    rng = np.random.default_rng(seed)
    if name == "mlp":
        model = mlp(8, 16, 16, 4)
        x, y = tl.randn(16, 8), tl.randn(16, 4)
        return model, lambda: F.mse_loss(model(x), y)
    if name == "lenet":
        model = LeNet()
        x, labels = tl.randn(8, 1, 28, 28), tl.tensor(rng.integers(0, 10, 8))
        return model, lambda: F.cross_entropy(model(x), labels)
    if name == "rnn":
        steps = sizes.get("steps", 100)
        model = RNN(4, 8, 1)
        x, y = tl.randn(steps, 2, 4), tl.randn(2, 1)
        return model, lambda: F.mse_loss(model(x), y)
    if name == "gpt":
        depth, vocabulary = sizes.get("depth", 4), 27
        model = GPT(vocabulary, 8, 16, 2, depth)
        ids = rng.integers(0, vocabulary, (4, 9))
        x, target = tl.tensor(ids[:, :-1]), tl.tensor(ids[:, 1:])
        return model, lambda: F.cross_entropy(model(x).reshape(-1, vocabulary), target.reshape(-1))
    raise ValueError(f"the models are {', '.join(MODELS)}, not {name!r}; chance gives a loss of log C, such as {math.log(27):.2f} for gpt")
