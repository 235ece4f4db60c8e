"""A model's parameters, through matplotlib (extra [plot]): how much gradient reaches each, and what the weights of a layer look like.

Each returns a matplotlib Figure (`.savefig("x.png")`) and leaves the model, its gradients and pyplot as they were.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import Variable
from ...errors import DataError, ShapeError
from ...nn import Module
from .curves import figure, plain_axes
from .panels import BLUE, GRID, INK, ORANGE, SOFT, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["gradients", "weights"]

IMAGES = 64  # filters that are shown at most


def gradients(model: Module) -> "Figure":
    """How much gradient reaches each parameter: rms (a dot) and largest entry (a diamond) of |dL/dp|, on one logarithmic scale.

    The first layer is on top. A parameter with no gradient yet, with nothing but zeros, or with a nan says so.
    """
    rows = [(path, _sizes(p)) for path, p in model.named_parameters()]
    if not rows:
        raise DataError(f"{type(model).__name__} has no parameters, so there is no gradient to show")
    fig = figure(7.2, 1.1 + 0.26 * len(rows))
    ax = fig.subplots()
    plain_axes(ax)
    ax.set_xscale("log")
    ax.grid(axis="x", color=GRID, linewidth=0.8)
    drawn = [(k, sizes) for k, (_, sizes) in enumerate(rows) if not isinstance(sizes, str)]
    for k, (rms, largest) in drawn:
        ax.plot([rms, largest], [k, k], color=GRID, linewidth=3, zorder=1, solid_capstyle="butt")
    for marker, colour, label, i in (("o", BLUE, "rms", 0), ("D", ORANGE, "largest", 1)):
        ax.plot([sizes[i] for _, sizes in drawn], [k for k, _ in drawn], marker, color=colour, markersize=5.5, label=label, linestyle="none")
    for k, (_, sizes) in enumerate(rows):
        if isinstance(sizes, str):
            ax.text(0.01, k, sizes, transform=ax.get_yaxis_transform(), va="center", fontsize=8.5, color=SOFT, style="italic")
    if drawn:  # whole decades: their ticks alone are labelled
        ax.set_xlim(*(10.0 ** way(math.log10(size)) for way, size in ((math.floor, min(rms for _, (rms, _) in drawn) / 1.2),
                                                                      (math.ceil, max(largest for _, (_, largest) in drawn) * 1.2))))
    else:
        ax.xaxis.set_visible(False)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_yticks(range(len(rows)), [path for path, _ in rows], color=INK)
    ax.set_title("gradient of each parameter", loc="left", fontsize=10, fontweight="bold", color=INK)
    if drawn:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8.5, labelcolor=INK, borderaxespad=0.2)
    return fig


def _sizes(p: Any) -> tuple[float, float] | str:
    """(rms, largest) of a parameter's gradient, or why there is none to draw."""
    if p.grad is None:
        return "no gradient yet"
    g = np.abs(np.asarray(p.grad.numpy(), np.float64))
    largest = float(g.max(initial=0.0))
    if not math.isfinite(largest):
        return "nan or inf"
    # scaled first: the square of 1e-200 is 0
    return (largest * math.sqrt(float(np.mean((g / largest) ** 2))), largest) if largest else "all zero"


def weights(layer: Any, shape: tuple[int, ...] | None = None) -> "Figure":
    """The weight of a layer, or a Tensor: white at 0, blue below and orange above, on one scale. A table (out down, in across) is a heat map.

    shape: of an input as an image, (height, width): then each unit's weights are such an image. A convolution's filters are images by themselves,
    one row of them for each input channel. Of many, the first 64 are shown.
    """
    weight = layer if isinstance(layer, Variable) else getattr(layer, "weight", None)
    if not isinstance(weight, Variable):
        raise TypeError(f"{type(layer).__name__} has no weight to show: pass a layer such as model[0], or a parameter")
    w = np.asarray(weight._data, np.float64)
    size = w.shape
    if shape is not None:
        if w.ndim != 2 or math.prod(shape) != w.shape[1] or len(shape) != 2:
            raise ShapeError(f"a weight of shape {w.shape} is not made of images of shape {tuple(shape)}: height times width is to be its last size")
        w = w.reshape(len(w), 1, *shape)
    reach = float(np.max(np.abs(w), initial=0.0, where=np.isfinite(w))) or 1.0
    from matplotlib.colors import LinearSegmentedColormap
    look = {"cmap": LinearSegmentedColormap.from_list("sign", [BLUE, "#ffffff", ORANGE]), "vmin": -reach, "vmax": reach, "interpolation": "nearest"}
    images = w[:IMAGES] if w.ndim == 4 else None
    if images is None and w.ndim not in (1, 2):
        raise ShapeError(f"weights() shows tables, vectors and filters of images, not a weight of shape {w.shape}")
    if images is None:
        table = np.atleast_2d(w)
        fig = figure(max(3.6, min(9.0, 1.8 + 0.12 * table.shape[1])), max(2.0, min(9.0, 1.2 + 0.12 * len(table))))
        axes = [fig.subplots()]
        plain_axes(axes[0])
        drawn = axes[0].imshow(table, aspect="auto", **look)
        axes[0].set_xlabel("input", color=SOFT)
        axes[0].set_ylabel("unit", color=SOFT)
        for axis in (axes[0].xaxis, axes[0].yaxis):
            axis.get_major_locator().set_params(integer=True)  # there is no unit 1.5
    else:
        channels = images.shape[1]
        columns = len(images) if channels > 1 else math.ceil(math.sqrt(len(images)))
        rows = channels if channels > 1 else math.ceil(len(images) / columns)
        fig = figure(max(3.6, min(12.0, 1.4 + 0.75 * columns)), max(2.0, min(12.0, 0.8 + 0.75 * rows)))
        axes = list(fig.subplots(rows, columns, squeeze=False).flat)
        for k, ax in enumerate(axes):
            ax.set_axis_off()
            unit, channel = (k % columns, k // columns) if channels > 1 else (k, 0)
            if unit < len(images):
                drawn = ax.imshow(images[unit, channel], **look)
    bar = fig.colorbar(drawn, ax=axes, shrink=0.8, ticks=[-reach, 0, reach], format=lambda value, _: number(value))
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=SOFT, labelsize=8.5)
    what = f"weight {size}" + (f", the first {IMAGES} units" if images is not None and len(w) > IMAGES else "")
    fig.suptitle(f"{type(layer).__name__}: {what}", x=0.02, ha="left", fontsize=10, fontweight="bold", color=INK)
    return fig
