"""What a job leaves behind: weights, history and pictures, written so that no half of anything is ever seen.
All files are made in a temporary folder first and moved into place by os.replace once the last of them is complete.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine import no_grad
from ..errors import DataError
from ..nn import Module
from ..tensors import Tensor
from .fit import History
from .model import build_model

__all__ = ["TrainedModel", "check_folder", "load_trained", "save_history", "save_trained", "staged"]


@dataclass(frozen=True)
class TrainedModel:
    """A model with what is needed to use it on the columns of a table, in the target's own units.

    names, bases: as in `tinygrad_lite.data.Design`; mean, scale (columns,): the training rows' own."""

    model: Module
    hidden: tuple[int, ...]
    activation: str
    names: tuple[str, ...]
    bases: tuple[str, ...]
    mean: NDArray[Any]
    scale: NDArray[Any]
    target: str
    target_mean: float
    target_scale: float

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """(rows, columns), columns as in `names`, in their own units -> (rows,), in the target's own unit, float64."""
        with no_grad():
            dtype = next(iter(self.model.parameters())).dtype
            z = self.model(Tensor(((X - self.mean) / self.scale).astype(dtype))).numpy()
        y: NDArray[Any] = z[:, 0].astype(np.float64) * self.target_scale + self.target_mean
        return y


def save_trained(path: Path, trained: TrainedModel) -> None:
    """All of a TrainedModel as one npz. Keys: model/NAME for each entry of the state_dict; input/..., target/...

    No key is without a prefix: savez would take one named `file` for an argument of its own."""
    arrays: dict[str, Any] = {f"model/{name}": value for name, value in trained.model.state_dict().items()}
    arrays |= {
        "job/hidden": np.array(trained.hidden, dtype=np.int64),
        "job/activation": np.array(trained.activation),
        "input/names": np.array(trained.names),
        "input/bases": np.array(trained.bases, dtype=np.str_),
        "input/mean": trained.mean,
        "input/scale": trained.scale,
        "target/name": np.array(trained.target),
        "target/mean": np.array(trained.target_mean),
        "target/scale": np.array(trained.target_scale),
    }
    np.savez(path, **arrays)


def load_trained(path: str | os.PathLike[str]) -> TrainedModel:
    """What `save_trained` wrote: load_trained("tinygrad-lite-out/weights.npz").predict(X).

    Raises DataError where a key is missing, so the file is not one of these."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    try:
        hidden = tuple(int(size) for size in arrays["job/hidden"])
        activation, names = str(arrays["job/activation"]), tuple(str(name) for name in arrays["input/names"])
        weights = {key.removeprefix("model/"): value for key, value in arrays.items() if key.startswith("model/")}
        model = build_model(len(names), hidden, activation).to(np.result_type(*weights.values()))
        model.load_state_dict(weights)
        return TrainedModel(model, hidden, activation, names, tuple(str(base) for base in arrays["input/bases"]),
                            arrays["input/mean"], arrays["input/scale"], str(arrays["target/name"]),
                            float(arrays["target/mean"]), float(arrays["target/scale"]))
    except KeyError as error:
        raise DataError(f"{os.fspath(path)} is no file of weights from a training job: {error}") from error


def save_history(path: Path, history: History) -> None:
    """One line per epoch. Losses are mean squared errors in units of the training target's variance."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(history)
        writer.writerows((e.number, f"{e.train_loss:.9g}", f"{e.held_out_loss:.9g}", f"{e.learning_rate:g}",
                          f"{e.seconds:.6f}") for e in history.epochs)


def check_folder(out: Path) -> None:
    """Raises OSError, in one sentence, where files can't be written into `out`. Leaves nothing there.

    Asked before the training, since an hour of it is lost otherwise."""
    _temporary_folder(out).rmdir()


@contextmanager
def staged(out: Path, replaces: Sequence[str]) -> Iterator[Path]:
    """`with staged(out, names) as folder`: files made in `folder` are in `out` when the block ends, or none of them is.

    Of the names that it `replaces`, those that were not made this time are removed from `out`: an old picture beside
    a new graph would be a lie. Everything else in `out` stays."""
    folder = _temporary_folder(out)
    try:
        yield folder
        made = sorted(path.name for path in folder.iterdir())
        out.mkdir(parents=True, exist_ok=True)
        for name in made:
            os.replace(folder / name, out / name)
        for name in replaces:
            if name not in made:
                (out / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _temporary_folder(out: Path) -> Path:
    """A new folder in `out`, or in the first folder above it that exists: on one file system, as os.replace needs."""
    full = out.absolute()
    existing = next(path for path in (full, *full.parents) if path.exists() or path.is_symlink())
    if not existing.is_dir():
        raise NotADirectoryError(f"cannot write into {out}: {existing} is a file")
    try:
        return Path(tempfile.mkdtemp(prefix=".tinygrad-lite-", dir=existing))
    except OSError as error:
        raise OSError(f"cannot write into {out}: {error.strerror}") from error
