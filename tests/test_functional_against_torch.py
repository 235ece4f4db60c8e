"""PyTorch as a witness of nn.functional: every name over a grid of its keyword arguments, first and second order, in
float64.

One line of GRID is a function, its arrays (floats are leaves, integers and bools are data) and keyword arguments, the
same text for both libraries.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.nn import functional as F

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
pytestmark = pytest.mark.torch
G = torch.nn.functional
RTOL = 1e-12  # float64 keeps 16 digits; the libraries sum in another order, and cancel where a gradient is a difference
rng = np.random.default_rng(11)


def real(*shape: int) -> Any:
    """No entry within 0.05 of a whole or half number, where the kinks are."""
    return np.asarray(np.floor(rng.uniform(-8, 8, shape)) / 2 + rng.uniform(0.05, 0.45, shape))


def small(*shape: int) -> Any:
    return real(*shape) / 4


def unit(*shape: int) -> Any:
    return np.asarray(rng.uniform(0.05, 0.95, shape))


def signs(*shape: int) -> Any:
    return np.asarray(rng.choice([-1, 1], shape))


def simplex(*shape: int) -> Any:
    p = unit(*shape)
    return p / p.sum(1, keepdims=True)


def masked(*shape: int) -> Any:
    mask = rng.random(shape) > 0.4
    mask[..., 0] = True  # PyTorch's own kernels differ in what they give for a row that sees nothing
    return mask


Line = tuple[str, tuple[Any, ...], dict[str, Any]]


def lines(name: str, *inputs: Any, **grid: Any) -> list[Line]:
    """`grid`: a list of values for each keyword; arrays in a list are values too.

    Not a bias alone, without weight, for which PyTorch has no second derivative: that is in test_functional.py.
    """
    return [(name, inputs, dict(zip(grid, values, strict=True))) for values in product(*grid.values())
            if not (grid.keys() >= {"weight", "bias"} and values[list(grid).index("weight")] is None
                    and values[list(grid).index("bias")] is not None)]


X = (real(3, 4), real(2, 4, 3), real(7), real())
REDUCTIONS = ["mean", "sum", "none"]
LABELS = rng.integers(0, 4, 6)
SOME = np.where(rng.random(6) > 0.7, -100, LABELS)
SPACE = rng.integers(0, 4, (3, 2, 2))
N, S, D, H = 5, 6, 4, 2

GRID: list[Line] = [
    *(line for x in X for name in ("relu", "relu6", "silu", "selu", "softsign", "hardsigmoid", "hardswish",
                                   "logsigmoid", "mish", "tanhshrink", "sigmoid", "tanh")
      for line in lines(name, x)),
    *(line for x in X for line in [
        *lines("gelu", x, approximate=["none", "tanh"]), *lines("elu", x, alpha=[1.0, 0.7]),
        *lines("celu", x, alpha=[1.0, 0.7]),
        *lines("leaky_relu", x, negative_slope=[0.01, 0.3]), *lines("softplus", x, beta=[1, 2.5], threshold=[20, 1.2]),
        *lines("hardtanh", x, min_val=[-1.0, -1.5], max_val=[1.0, 2.0]), *lines("softshrink", x, lambd=[0.5, 1.0]),
        *lines("hardshrink", x, lambd=[0.5, 1.0]), *lines("threshold", x, threshold=[0.0, 1.0], value=[0.0, -2.0])]),
    *lines("gelu", real(50) * 4, approximate=["none", "tanh"]), *lines("softplus", real(50) * 20),
    *lines("logsigmoid", real(50) * 20), *lines("silu", real(50) * 20),
    *lines("prelu", real(3, 4, 2), real(4)), *lines("prelu", real(3, 4), real(1)), *lines("prelu", real(5), real(1)),
    *lines("glu", real(4, 6), dim=[-1, 0, 1]), *lines("glu", real(3, 2, 4), dim=[-1, -2]),
    *(line for name in ("softmax", "log_softmax", "softmin")
      for line in [*lines(name, real(3, 4), dim=[0, 1, -1]), *lines(name, real(2, 3, 4), dim=[0, 1, 2, -2]),
                   *lines(name, real(5), dim=[0])]),
    *lines("normalize", real(3, 4), p=[1.0, 2.0, 3.0, 2.5, float("inf")], dim=[0, 1, -1]),
    *lines("normalize", real(2, 3, 4), dim=[1, (1, 2)], eps=[1e-12, 3.0]),
    *lines("cosine_similarity", real(3, 4), real(3, 4), dim=[0, 1, -1], eps=[1e-8, 2.0]),
    *lines("cosine_similarity", real(3, 1, 4), real(2, 4), dim=[-1]),
    *lines("pairwise_distance", real(3, 4), real(3, 4), p=[1.0, 2.0, 3.0, 2.5, float("inf")], eps=[1e-6, 0.01],
           keepdim=[False, True]),
    *lines("pairwise_distance", real(3, 4), real(1, 4)), *lines("pairwise_distance", real(4), real(4)),
    *lines("linear", real(3, 4), real(2, 4), real(2)), *lines("linear", real(2, 3, 4), real(2, 4)),
    *lines("bilinear", real(3, 4), real(3, 2), small(5, 4, 2), real(5)),
    *lines("bilinear", real(2, 3, 4), real(2, 3, 2), small(5, 4, 2)),
    *lines("embedding", rng.integers(0, 5, (2, 4)), real(5, 3), padding_idx=[None, 1, -2]),
    *lines("embedding", rng.integers(0, 5, 0), real(5, 3)), *lines("one_hot", rng.integers(0, 5, (2, 4)),
        num_classes=[5, 7, -1]),
    *lines("layer_norm", real(3, 4), normalized_shape=[(4,), (3, 4)], eps=[1e-5, 0.1]),
    *lines("layer_norm", real(2, 3, 4), normalized_shape=[(3, 4)], weight=[real(3, 4)], bias=[None, real(3, 4)]),
    *lines("layer_norm", real(3, 4), normalized_shape=[(4,)], weight=[None, real(4)], bias=[None, real(4)]),
    *lines("rms_norm", real(2, 3, 4), normalized_shape=[(4,), (3, 4)], eps=[None, 0.1]),
    *lines("rms_norm", real(3, 4), normalized_shape=[(4,)], weight=[real(4)], eps=[None, 1e-5]),
    *(line for x in (real(5, 3), real(4, 3, 2), real(2, 3, 2, 3)) for line in [
        *lines("batch_norm", x, running_mean=[real(3)], running_var=[unit(3)], training=[False], weight=[None, real(3)],
               bias=[None, real(3)], eps=[1e-5, 0.1]),
        *lines("batch_norm", x, running_mean=[None], running_var=[None], training=[True], weight=[None, real(3)],
               bias=[None, real(3)], eps=[1e-5, 0.1])]),
    *(line for x in (real(2, 3, 4), real(2, 3, 2, 3)) for line in [
        *lines("instance_norm", x, weight=[None, real(3)], bias=[None, real(3)], eps=[1e-5, 0.1]),
        *lines("instance_norm", x, running_mean=[real(3)], running_var=[unit(3)], use_input_stats=[False],
               weight=[real(3)])]),
    *(line for x in (real(3, 4), real(2, 4, 3), real(2, 4, 2, 3))
      for line in lines("group_norm", x, num_groups=[1, 2], weight=[None, real(4)], bias=[None, real(4)])),
    *lines("scaled_dot_product_attention", small(2, H, N, D), small(2, H, S, D), real(2, H, S, 3),
           is_causal=[False, True], scale=[None, 0.3]),
    *lines("scaled_dot_product_attention", small(2, H, N, D), small(2, H, S, D), real(2, H, S, 3),
           attn_mask=[None, masked(N, S), masked(2, 1, N, S), small(N, S), np.where(masked(N, S), 0.0, -np.inf)]),
    *lines("scaled_dot_product_attention", small(N, D), small(S, D), real(S, D), attn_mask=[None, masked(N, S)]),
    *lines("scaled_dot_product_attention", small(H, S, D), small(H, N, D), real(H, N, D), is_causal=[True]),
    *(line for shape in ((3, 4), (5,), (2, 3, 2), ()) for line in [
        *lines("mse_loss", real(*shape), real(*shape), reduction=REDUCTIONS),
        *lines("l1_loss", real(*shape), real(*shape) + 0.017, reduction=REDUCTIONS),
        *lines("smooth_l1_loss", real(*shape), real(*shape), reduction=REDUCTIONS, beta=[1.0, 0.3, 4.0]),
        *lines("huber_loss", real(*shape), real(*shape), reduction=REDUCTIONS, delta=[1.0, 0.3, 4.0]),
        *lines("soft_margin_loss", real(*shape), signs(*shape), reduction=REDUCTIONS),
        *lines("hinge_embedding_loss", real(*shape), signs(*shape), reduction=REDUCTIONS, margin=[1.0, 2.0]),
        *lines("poisson_nll_loss", small(*shape), real(*shape) + 4, reduction=REDUCTIONS, full=[False, True]),
        *lines("poisson_nll_loss", unit(*shape), real(*shape) + 4, reduction=REDUCTIONS, log_input=[False],
               eps=[1e-8, 0.1]),
        *lines("binary_cross_entropy", unit(*shape), unit(*shape), reduction=REDUCTIONS),
        *lines("binary_cross_entropy_with_logits", real(*shape), unit(*shape), reduction=REDUCTIONS)]),
    *lines("smooth_l1_loss", real(3, 4), real(3, 4) + 0.017, beta=[0.0]),
    *lines("binary_cross_entropy", unit(3, 4), unit(3, 4), weight=[unit(3, 4), unit(4)], reduction=REDUCTIONS),
    *lines("binary_cross_entropy_with_logits", real(3, 4), unit(3, 4), weight=[None, unit(3, 4), unit(4)],
           pos_weight=[None, unit(4)], reduction=REDUCTIONS),
    *(line for x, t in ((real(6, 4), LABELS), (real(3, 4, 2, 2), SPACE), (real(4), np.array(2)))
      for name in ("cross_entropy", "nll_loss")
      for line in lines(name, x, t, weight=[None, unit(4)], ignore_index=[-100, 2], reduction=REDUCTIONS)
      if not (np.all(t == 2) and line[2]["ignore_index"] == 2)),
    *(line for name in ("cross_entropy", "nll_loss") for line in lines(name, real(6, 4), SOME, weight=[None, unit(4)],
        reduction=REDUCTIONS)),
    *(line for x, t in ((real(6, 4), SOME), (real(3, 4, 2, 2), SPACE), (real(4), np.array(2)))
      for line in lines("cross_entropy", x, t, weight=[None, unit(4)], label_smoothing=[0.1, 1.0],
                        reduction=REDUCTIONS)),
    *(line for x, t in ((real(6, 4), simplex(6, 4)), (real(3, 4, 2), simplex(3, 4, 2)), (real(4), unit(4)))
      for line in lines("cross_entropy", x, t, weight=[None, unit(4)], label_smoothing=[0.0, 0.1],
                        reduction=REDUCTIONS)),
    *lines("kl_div", real(3, 4), simplex(3, 4), reduction=[*REDUCTIONS, "batchmean"], log_target=[False, True]),
    *lines("kl_div", real(2, 3, 4), unit(2, 3, 4)),
    *(line for var in (unit(3, 4), unit(3, 1), unit(3)) for line in lines("gaussian_nll_loss", real(3, 4), real(3, 4),
        var, full=[False, True], reduction=REDUCTIONS)),
    *lines("margin_ranking_loss", real(6), real(6), signs(6), margin=[0.0, 0.7], reduction=REDUCTIONS),
    *lines("margin_ranking_loss", real(3, 2), real(3, 2), signs(3, 2)),
    *lines("triplet_margin_loss", real(5, 4), real(5, 4), real(5, 4), margin=[1.0, 3.0], p=[2.0, 1.0, 3.0],
           swap=[False, True], reduction=REDUCTIONS),
    *lines("triplet_margin_loss", real(4), real(4), real(4)),
    *lines("cosine_embedding_loss", real(6, 4), real(6, 4), signs(6), margin=[0.0, 0.2], reduction=REDUCTIONS),
    *lines("cosine_embedding_loss", real(4), real(4), np.array(-1)),
    *lines("multi_margin_loss", real(6, 4), LABELS, p=[1, 2], margin=[1.0, 0.6], weight=[None, unit(4)],
           reduction=REDUCTIONS), *lines("multi_margin_loss", real(4), np.array(1)),
]  # fmt: skip
DATA_ONLY = {("cross_entropy", "weight"), ("nll_loss", "weight"), ("multi_margin_loss", "weight"),
             ("batch_norm", "running_mean"), ("batch_norm", "running_var"),
             ("instance_norm", "running_mean"), ("instance_norm", "running_var"),
             ("binary_cross_entropy_with_logits", "weight"),
             ("binary_cross_entropy_with_logits", "pos_weight"), ("scaled_dot_product_attention", "attn_mask")}


def multi_margin(x: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None,
                 reduction: str = "mean") -> Any:
    """The formula of PyTorch's documentation: its own function has no second derivative."""
    rows, target = x.reshape(-1, x.shape[-1]), target.reshape(-1)
    over = torch.relu(margin - rows.gather(1, target[:, None]) + rows) ** p
    loss = (over * (1 - G.one_hot(target, x.shape[-1]))).sum(1) / x.shape[-1] * (1 if weight is None
        else weight[target])
    loss = loss.reshape(x.shape[:-1])
    return loss if reduction == "none" else getattr(loss, reduction)()


def cosine(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    return (a * b).sum(dim) / (a.norm(dim=dim).clamp(min=eps) * b.norm(dim=dim).clamp(min=eps))


def bce(p: Any, t: Any, weight: Any = None, reduction: str = "mean") -> Any:
    loss = -(t * p.log() + (1 - t) * (1 - p).log()) * (1 if weight is None else weight)
    return loss if reduction == "none" else getattr(loss, reduction)()


# Formulas in PyTorch's operators, where its own function has no second derivative (the first two), one with errors of
# 1e-8 and 1e-10 (celu with
# alpha = 0.7, binary_cross_entropy), or a wrong first one (cosine_similarity of a vector shorter than eps: its own
# gradcheck fails there)
OTHER_FORM: dict[str, Callable[..., Any]] = {
    "multi_margin_loss": multi_margin, "hardsigmoid": lambda x: G.relu6(x + 3) / 6, "cosine_similarity": cosine,
    "binary_cross_entropy": bce,
    "celu": lambda x, alpha: torch.where(x > 0, x, torch.expm1(x / alpha) * alpha)}


def name_of(line: Line) -> str:
    shapes = "x".join(str(np.shape(x)) for x in line[1])
    words = ",".join(f"{k}={np.shape(v) if isinstance(v, np.ndarray) else v}" for k, v in line[2].items())
    return f"{line[0]}[{shapes} {words}]".replace(" ", "")


def run(function: Callable[..., Any], leaf: Callable[..., Any], grad: Callable[..., Any], name: str, inputs: Any,
        words: dict[str, Any]) -> list[Any]:
    """Value, first gradients, and the gradients of a fixed combination of those."""
    xs = [leaf(x, x.dtype.kind == "f") for i, x in enumerate(inputs)]
    given = {k: leaf(v, v.dtype.kind == "f" and (name, k) not in DATA_ONLY) if isinstance(v, np.ndarray) else v
             for k, v in words.items()}
    leaves = [x for x in (*xs, *given.values()) if getattr(x, "requires_grad", False)]
    y = function(*xs, **given)
    if not leaves:
        return [y]
    def weights(y: Any) -> Any:
        return leaf(np.sin(1.0 + np.arange(int(np.prod(tuple(y.shape))))).reshape(tuple(y.shape)), False)

    first = grad((y * weights(y)).sum(), leaves)
    total = sum([(g * weights(g)).sum() for g in first])
    return [y, *first, *(grad(total, leaves) if total.requires_grad else [])]


def ours_grad(y: Any, leaves: list[Any]) -> list[Any]:
    gs = tl.autograd.grad([y], leaves, create_graph=True, allow_unused=True)
    return [tl.zeros(*x.shape, dtype=x.dtype) if g is None else g for x, g in zip(leaves, gs, strict=True)]


def theirs_grad(y: Any, leaves: list[Any]) -> list[Any]:
    gs = torch.autograd.grad(y, leaves, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, gs, strict=True)]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # PyTorch's, of kl_div
@pytest.mark.parametrize("line", GRID, ids=name_of)
def test_equals_pytorch(line: Line) -> None:
    name, inputs, words = line
    ours = run(getattr(F, name), lambda x, flag: tl.tensor(x, requires_grad=flag), ours_grad, name, inputs, words)
    theirs = run(OTHER_FORM.get(name) or getattr(G, name), lambda x, flag: torch.tensor(x, requires_grad=flag),
                 theirs_grad, name, inputs, words)
    if len(ours) != len(theirs):  # one library knows the second derivative as 0 without a graph
        longer = max(ours, theirs, key=len)[min(len(ours), len(theirs)):]
        assert all(not np.any(np.asarray(x.detach().numpy(force=True) if isinstance(x, torch.Tensor) else x.numpy()))
                   for x in longer)
    for a, b in zip(ours, theirs, strict=False):
        a, b = a.numpy(), b.detach().numpy(force=True)
        assert a.shape == b.shape
        scale = np.max(np.abs(b), initial=1.0, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=RTOL, atol=RTOL * scale)


def test_every_name_is_compared() -> None:
    without = {"dropout", "sigmoid_focal_loss"}  # random; torchvision's: both in test_functional.py
    assert set(F.__all__) - {line[0] for line in GRID} <= without | CONVOLUTIONS


CONVOLUTIONS = {name for name in F.__all__ if "conv" in name or "pool" in name} | {"fold", "unfold", "interpolate",
    "pad", "pixel_shuffle", "pixel_unshuffle"}
