"""What a training looked like: loss, metrics, learning rate and gradient norm over the epochs, through matplotlib (extra [plot]).

`curves_svg` draws the same panels with NumPy alone. No function here touches pyplot: a figure is returned, and nothing else changes.
"""

from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ...errors import MissingExtra
from .panels import BLUE, GRID, HELD_OUT, INK, ORANGE, SOFT, History, Panel, chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curves", "figure", "plain_axes"]


def curves(history: History, title: str | None = None) -> "Figure":
    """One panel for each quantity in `history`: a mapping of names to lists, such as what `train.fit` returns, or a
    path to a CSV such as the main job's history.csv.

    "train_loss" and "held_out_loss" (or "loss" and "val_loss") share a panel; a ring marks the lowest loss. A column named epoch or step is
    the horizontal axis. Returns a matplotlib Figure: `.savefig("curves.png")`. Raises MissingExtra without matplotlib.
    """
    data = chart(history)
    shares = [1.0 if i == 0 or panel.lowest else 0.6 for i, panel in enumerate(data.panels)]
    fig = figure(7.2, 0.6 + 2.2 * sum(shares))
    axes = fig.subplots(len(shares), 1, squeeze=False, sharex=True, height_ratios=shares)[:, 0]
    for ax, panel in zip(axes, data.panels, strict=True):
        _draw(ax, panel)
    if title:
        fig.suptitle(title, color=INK, fontsize=12)
    axes[-1].set_xlabel("    ".join([data.clock, *(f"({note})" for note in data.notes)]), color=SOFT)
    return fig


def _draw(ax: Any, panel: Panel) -> None:
    plain_axes(ax)
    ax.grid(axis="y", color=GRID, linewidth=0.8)
    for s in panel.series:
        held_out = s.name == HELD_OUT
        ax.plot(s.x, s.y, color=ORANGE if held_out else BLUE, linestyle=(0, (5, 2.2)) if held_out else "-", linewidth=1.6,
                marker="o" if len(s.x) == 1 else None, label=s.label)
    if panel.lowest:
        x, y, label = panel.lowest
        ax.plot([x], [y], "o", markersize=7, markerfacecolor="none", markeredgecolor=INK, linestyle="none", label=label)
    if panel.log:
        ax.set_yscale("log")
    ax.set_title(panel.title, loc="left", fontsize=10, fontweight="bold", color=INK)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=8.5, labelcolor=INK, borderaxespad=0.2)


def figure(width: float, height: float) -> "Figure":
    """An empty Figure of so many inches, which no window and no global state knows of. A notebook shows it where it ends a cell."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("this picture needs matplotlib: pip install 'tinygrad_lite[plot]'") from None
    fig = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    fig._repr_png_ = partial(_png, fig)  # without pyplot, nobody has told the notebook how to show a Figure
    return fig


def _png(fig: "Figure") -> bytes:
    file = BytesIO()
    fig.savefig(file, format="png", dpi=144)
    return file.getvalue()


def plain_axes(ax: Any) -> None:
    """Axes in the ink of all pictures here: no frame above and right, small grey numbers."""
    ax.set_facecolor("white")
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GRID)
    ax.tick_params(colors=SOFT, labelsize=8.5, which="both")
