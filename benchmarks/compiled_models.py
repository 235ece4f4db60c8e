"""A LeNet and a small GPT for the comparison of compiled training steps: written for each contender as its own users would, with equal first values.

`lenet_*` and `gpt_*` build one contender each. Those of tinygrad_lite and PyTorch return (model, loss_fn, optimizer, x, y), since they are run both
eagerly and compiled; those of NumPy and JAX return the finished `step()`, which trains once and returns the loss before the update.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import tinygrad_lite as tl
from benchmarks.models import GPT, LeNet
from tinygrad_lite import optim
from tinygrad_lite.nn import functional as F

__all__ = ["SMALL", "Size", "gpt", "gpt_jax", "gpt_torch", "lenet", "lenet_jax", "lenet_numpy", "lenet_torch"]

LENET_BATCH = 16
LENET_LR, GPT_LR = 0.05, 0.2


@dataclass(frozen=True)
class Size:
    """The sizes of a GPT and of its batch."""

    vocabulary: int
    context: int
    width: int
    heads: int
    depth: int
    batch: int


SMALL = Size(vocabulary=27, context=8, width=16, heads=2, depth=4, batch=4)  # as `benchmarks.models.example("gpt")`


# ---- LeNet: (16, 1, 28, 28) -> (16, 10), cross entropy


def lenet_data():
    """Images (16, 1, 28, 28) of normal numbers, labels (16,)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((LENET_BATCH, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, LENET_BATCH)


def lenet_model():
    tl.manual_seed(0)
    return LeNet()


def lenet():
    model = lenet_model()
    return model, F.cross_entropy, optim.SGD(model.parameters(), lr=LENET_LR), *map(tl.tensor, lenet_data())


def lenet_numpy():
    """The chain rule on paper; channels last, so that a convolution is one product of matrices, windows times filters."""
    x, labels = lenet_data()
    x = x.reshape(LENET_BATCH, 28, 28, 1)
    K1, c1, K2, c2, W3, b3, W4, b4 = lenet_model().state_dict().values()
    K1, K2 = K1.reshape(6, -1), K2.reshape(16, -1)
    rows = np.arange(LENET_BATCH)

    def windows(h):  # (n, s, s, c) -> (n (s-4)^2, 25 c)
        return sliding_window_view(h, (5, 5), axis=(1, 2)).reshape(-1, 25 * h.shape[3])

    def pool(h):
        h = np.maximum(h[:, ::2], h[:, 1::2])
        return np.maximum(h[:, :, ::2], h[:, :, 1::2])

    def unpool(g, pooled, h):
        """To where the largest was; relu's own mask is `pooled > 0`, as what is not positive was not passed on."""
        g = g * (pooled > 0)
        return (h == pooled.repeat(2, axis=1).repeat(2, axis=2)) * g.repeat(2, axis=1).repeat(2, axis=2)

    def step():
        nonlocal K1, c1, K2, c2, W3, b3, W4, b4
        cols1 = windows(x)  # (n 576, 25)
        h1 = np.maximum(cols1 @ K1.T + c1, 0).reshape(-1, 24, 24, 6)
        p1 = pool(h1)  # (n, 12, 12, 6)
        cols2 = windows(p1)  # (n 64, 150)
        h2 = np.maximum(cols2 @ K2.T + c2, 0).reshape(-1, 8, 8, 16)
        p2 = pool(h2)  # (n, 4, 4, 16)
        flat = p2.transpose(0, 3, 1, 2).reshape(-1, 256)
        h3 = np.maximum(flat @ W3.T + b3, 0)
        z = h3 @ W4.T + b4
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - z[rows, labels]).mean()

        g4 = e / total
        g4[rows, labels] -= 1
        g4 /= LENET_BATCH
        g3 = (g4 @ W4) * (h3 > 0)
        g2 = unpool((g3 @ W3).reshape(-1, 16, 4, 4).transpose(0, 2, 3, 1), p2, h2).reshape(-1, 16)
        spread = (g2 @ K2).reshape(-1, 8, 8, 6, 5, 5)
        gp1 = np.zeros_like(p1)
        for i in range(5):
            for j in range(5):
                gp1[:, i:i + 8, j:j + 8] += spread[..., i, j]
        g1 = unpool(gp1, p1, h1).reshape(-1, 6)
        W4 -= LENET_LR * (g4.T @ h3)
        b4 -= LENET_LR * g4.sum(axis=0)
        W3 -= LENET_LR * (g3.T @ flat)
        b3 -= LENET_LR * g3.sum(axis=0)
        K2 -= LENET_LR * (g2.T @ cols2)
        c2 -= LENET_LR * g2.sum(axis=0)
        K1 -= LENET_LR * (g1.T @ cols1)
        c1 -= LENET_LR * g1.sum(axis=0)
        return loss

    return step


def lenet_torch():
    import torch
    from torch import nn

    torch.set_num_threads(1)

    model = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 84), nn.ReLU(), nn.Linear(84, 10),
    )
    names = model.state_dict()  # in the order of ours
    values = map(torch.from_numpy, lenet_model().state_dict().values())
    model.load_state_dict(dict(zip(names, values, strict=True)))
    return model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=LENET_LR), *map(torch.from_numpy, lenet_data())


def lenet_jax():
    from jax import lax, nn

    def conv(x, W, b):
        return lax.conv_general_dilated(x, W, (1, 1), "VALID") + b[:, None, None]

    def pool(h):
        return lax.reduce_window(h, -np.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def logits_of(p, x):
        h = pool(nn.relu(conv(x, p["conv1"], p["bias1"])))
        h = pool(nn.relu(conv(h, p["conv2"], p["bias2"])))
        h = nn.relu(h.reshape(len(x), -1) @ p["hidden.weight"].T + p["hidden.bias"])
        return h @ p["out.weight"].T + p["out.bias"]

    return jax_training(logits_of, lenet_model().state_dict(), *lenet_data(), LENET_LR)


def jax_training(logits_of, params, x, labels, lr):
    """The step of a classifier `logits_of(params, x)` under cross entropy and SGD, jitted."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_cpu_enable_async_dispatch", False)  # each step is waited for, as in steps.py
    params = jax.tree.map(jnp.asarray, params)
    x, labels = jnp.asarray(x), jnp.asarray(labels)

    def loss_of(params, x, labels):
        log_p = jax.nn.log_softmax(logits_of(params, x))
        return -jnp.mean(jnp.take_along_axis(log_p, labels[..., None], axis=-1))

    @jax.jit
    def update(params, x, labels):
        loss, grads = jax.value_and_grad(loss_of)(params, x, labels)
        return loss, jax.tree.map(lambda p, g: p - lr * g, params, grads)

    def step():
        nonlocal params
        loss, params = jax.block_until_ready(update(params, x, labels))
        return loss

    return step


# ---- GPT: (batch, context) -> (batch, context, vocabulary), cross entropy with the next token


def gpt_data(size):
    """Tokens and those that follow them: (batch, context) each."""
    ids = np.random.default_rng(0).integers(0, size.vocabulary, (size.batch, size.context + 1))
    return np.ascontiguousarray(ids[:, :-1]), np.ascontiguousarray(ids[:, 1:])


def gpt_model(size):
    tl.manual_seed(0)
    return GPT(size.vocabulary, size.context, size.width, size.heads, size.depth)


def gpt(size):
    model = gpt_model(size)

    def loss_fn(logits, targets):
        return F.cross_entropy(logits.reshape(-1, size.vocabulary), targets.reshape(-1))

    return model, loss_fn, optim.SGD(model.parameters(), lr=GPT_LR), *map(tl.tensor, gpt_data(size))


def gpt_torch(size):
    import torch
    from torch import nn

    torch.set_num_threads(1)

    class Attention(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x):
            n, tokens, width = x.shape
            q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            h = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.proj(h.transpose(1, 2).reshape(n, tokens, width))

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.ln1, self.attn = nn.LayerNorm(width), Attention(width, heads)
            self.ln2, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            x = x + self.attn(self.ln1(x))
            return x + self.down(nn.functional.gelu(self.up(self.ln2(x))))

    class TorchGPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Parameter(torch.empty(size.vocabulary, size.width))
            self.positions = nn.Parameter(torch.empty(size.context, size.width))
            self.blocks = nn.ModuleList([Block(size.width, size.heads) for _ in range(size.depth)])
            self.ln = nn.LayerNorm(size.width)

        def forward(self, ids):
            x = nn.functional.embedding(ids, self.tokens) + self.positions[:ids.shape[-1]]
            for block in self.blocks:
                x = block(x)
            return nn.functional.linear(self.ln(x), self.tokens)

    model = TorchGPT()
    model.load_state_dict({name: torch.from_numpy(array) for name, array in gpt_model(size).state_dict().items()})

    def loss_fn(logits, targets):
        return nn.functional.cross_entropy(logits.reshape(-1, size.vocabulary), targets.reshape(-1))

    return model, loss_fn, torch.optim.SGD(model.parameters(), lr=GPT_LR), *map(torch.from_numpy, gpt_data(size))


def gpt_jax(size):
    import jax
    import jax.numpy as jnp

    def layer_norm(p, name, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def linear(p, name, x):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def attention(p, name, x):
        n, tokens, width = x.shape
        d = width // size.heads
        q, k, v = linear(p, f"{name}.qkv", x).reshape(n, tokens, 3, size.heads, d).transpose(2, 0, 3, 1, 4)
        scores = jnp.where(jnp.tril(jnp.ones((tokens, tokens), bool)), q @ k.swapaxes(-1, -2) / d**0.5, -jnp.inf)
        h = jax.nn.softmax(scores) @ v  # (n, heads, tokens, d)
        return linear(p, f"{name}.proj", h.swapaxes(1, 2).reshape(n, tokens, width))

    def logits_of(p, ids):
        x = p["tokens"][ids] + p["positions"]
        for i in range(size.depth):
            x = x + attention(p, f"blocks.{i}.attn", layer_norm(p, f"blocks.{i}.ln1", x))
            h = jax.nn.gelu(linear(p, f"blocks.{i}.up", layer_norm(p, f"blocks.{i}.ln2", x)), approximate=False)
            x = x + linear(p, f"blocks.{i}.down", h)
        return layer_norm(p, "ln", x) @ p["tokens"].T

    return jax_training(logits_of, gpt_model(size).state_dict(), *gpt_data(size), GPT_LR)
