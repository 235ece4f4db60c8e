"""What a classifier says, through matplotlib (extra [plot]): its decision all over the plane of two features, and which classes it takes for which.

Each returns a matplotlib Figure (`.savefig("x.png")`) and leaves the model and pyplot as they were.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import Variable, no_grad
from ...errors import DataError, ShapeError
from ...nn import Module
from ...tensors import Tensor
from .curves import figure, plain_axes
from .panels import BLUE, GRID, INK, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion", "decision"]

CLASSES = ("#0077BB", "#EE7733", "#009988", "#EE3377", "#33BBEE", "#CC3311", "#BBBBBB", "#AA4499", "#DDCC77", "#332288")  # P. Tol's, by number
MARKERS = "os^DvP*Xhd"  # a class is known by its shape too
GRID_POINTS = 200  # along each axis of a decision map


def decision(model: Callable[[Any], Any], X: Any, y: Any, *, boundary: float | None = None) -> "Figure":
    """What a classifier says all over the plane of two features, with the data on it.

    X: (rows, 2); y: (rows,), at most 10 different labels. The model is called in evaluation mode on (points, 2). Several outputs are scores of
    the classes, of which the largest wins. One output is a score of the second label, in sorted order, from `boundary` on: by default 0.5 where all
    outputs are in [0, 1], else 0; the shade then grows with the distance from it.
    """
    X, y = _array(X), _array(y).reshape(-1)
    if X.ndim != 2 or X.shape[1] != 2 or not len(X):
        raise ShapeError(f"decision() draws two features: X is (rows, 2), not {X.shape}")
    labels = _labels(y, len(X))
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.08 * np.where(high > low, high - low, 1.0)
    (x0, x1), (y0, y1) = (np.linspace(low[i] - margin[i], high[i] + margin[i], GRID_POINTS)[[0, -1]] for i in (0, 1))
    plane = np.stack(np.meshgrid(np.linspace(x0, x1, GRID_POINTS), np.linspace(y0, y1, GRID_POINTS)), axis=-1).reshape(-1, 2)
    scores = _scores(model, plane)
    shape = (GRID_POINTS, GRID_POINTS)
    outputs = scores.shape[1]
    if len(labels) > max(outputs, 2) or outputs > len(CLASSES):
        raise ShapeError(f"decision(): the model has {outputs} outputs for {len(labels)} labels; one output is for two labels, else one each, "
                         f"and at most {len(CLASSES)}")
    fig = figure(6.0, 5.2)
    ax = fig.subplots()
    plain_axes(ax)
    from matplotlib.colors import LinearSegmentedColormap, ListedColormap
    place = {"extent": (x0, x1, y0, y1), "origin": "lower", "aspect": "auto", "interpolation": "nearest", "alpha": 0.35}
    if outputs > 1:
        ax.imshow(scores.argmax(axis=1).reshape(shape), cmap=ListedColormap(CLASSES[:outputs]), vmin=-0.5, vmax=outputs - 0.5, **place)
    else:
        middle = boundary if boundary is not None else 0.5 if scores.min() >= 0 and scores.max() <= 1 else 0.0
        reach = float(np.abs(scores - middle).max()) or 1.0
        ramp = LinearSegmentedColormap.from_list("sides", [CLASSES[0], "#ffffff", CLASSES[1]])
        table = scores.reshape(shape)
        ax.imshow(table, cmap=ramp, vmin=middle - reach, vmax=middle + reach, **{**place, "alpha": 0.6})
        if table.min() < middle < table.max():
            ax.contour(np.linspace(x0, x1, GRID_POINTS), np.linspace(y0, y1, GRID_POINTS), table, levels=[middle], colors=INK, linewidths=1.2)
    for label, marker, colour in zip(labels, MARKERS, CLASSES, strict=False):
        ax.scatter(X[y == label, 0], X[y == label, 1], marker=marker, s=26, color=colour, edgecolor="white", linewidth=0.6, label=str(label))
    ax.set_xlim(x0, x1)
    ax.set_ylim(y0, y1)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=5, frameon=False, fontsize=8.5, labelcolor=INK, borderaxespad=0.2)
    return fig


def _scores(model: Callable[[Any], Any], plane: Any) -> Any:
    """(points, outputs), in evaluation mode; the model is put back into the mode that each of its modules was in."""
    modules = list(model.modules()) if isinstance(model, Module) else []
    modes = [module.training for module in modules]
    dtype = next((p.dtype for module in modules for p in module.parameters()), plane.dtype)
    try:
        for module in modules:
            module.training = False
        with no_grad():
            scores = _array(model(Tensor(plane.astype(dtype))))
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
    if scores.ndim not in (1, 2) or len(scores) != len(plane):
        raise ShapeError(f"decision(): the model gave {scores.shape} for points of shape {plane.shape}; it is to give (points,) or (points, classes)")
    return scores.reshape(len(plane), -1)


def _labels(y: Any, rows: int) -> list[Any]:
    if len(y) != rows:
        raise ShapeError(f"there are {rows} rows and {len(y)} labels")
    labels = list(np.unique(y).tolist())
    if len(labels) > len(CLASSES):
        raise DataError(f"y has {len(labels)} different values; labels of at most {len(CLASSES)} classes can be drawn")
    return labels


def confusion(y_true: Any, y_pred: Any, labels: Sequence[Any] | None = None) -> "Figure":
    """How many rows of each class (down) were taken for which (across): counts, shaded by their share of the row. The title is the accuracy.

    y_true, y_pred: (rows,), labels of any kind. labels: their order, or names for the whole numbers 0, 1, ...
    """
    y_true, y_pred = _array(y_true), _array(y_pred)
    if y_true.ndim != 1 or y_true.shape != y_pred.shape:
        raise ShapeError(f"confusion() compares two lists of labels: y_true is {y_true.shape}, y_pred is {y_pred.shape}; "
                         "of scores (rows, classes) take scores.argmax(1) first")
    if not y_true.size:
        raise DataError("confusion(): there are no rows")
    known = np.unique(np.concatenate([y_true, y_pred])).tolist()
    names = known if labels is None else list(labels)
    by_number = labels is not None and all(isinstance(name, str) for name in names) and not isinstance(known[0], str)
    classes = list(range(len(names))) if by_number else names
    strangers = [value for value in known if value not in classes]
    if strangers:
        raise DataError(f"confusion(): {strangers[0]!r} is none of the labels {names}")
    at = {value: i for i, value in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, ([at[v] for v in y_true.tolist()], [at[v] for v in y_pred.tolist()]), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    from matplotlib.colors import LinearSegmentedColormap
    side = 1.6 + 0.55 * len(classes)
    fig = figure(max(side, 3.4), max(side, 3.4))
    ax = fig.subplots()
    ax.imshow(share, cmap=LinearSegmentedColormap.from_list("share", ["#ffffff", BLUE]), vmin=0, vmax=1)
    for i, j in np.ndindex(counts.shape):
        if counts[i, j]:
            ax.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=9, color="white" if share[i, j] > 0.5 else INK,
                    fontweight="bold" if i == j else "normal")
    plain_axes(ax)
    for edge in range(len(classes) + 1):
        ax.axhline(edge - 0.5, color=GRID, linewidth=0.8)
        ax.axvline(edge - 0.5, color=GRID, linewidth=0.8)
    longest = max(len(str(name)) for name in names)
    ax.set_xticks(range(len(names)), [str(name) for name in names], rotation=45 if longest > 4 else 0, ha="right" if longest > 4 else "center")
    ax.set_yticks(range(len(names)), [str(name) for name in names])
    ax.tick_params(length=0, labelcolor=INK)
    ax.set_xlabel("predicted", color=SOFT)
    ax.set_ylabel("true", color=SOFT)
    right = int(np.trace(counts))
    ax.set_title(f"{right} of {y_true.size} right ({right / y_true.size:.1%})", loc="left", fontsize=10, fontweight="bold", color=INK)
    return fig


def _array(x: Any) -> Any:
    return np.asarray(x._data if isinstance(x, Variable) else x)
