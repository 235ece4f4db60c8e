"""The command line: `tinygrad-lite` trains on the penguins, `tinygrad-lite train DATA.csv --target COLUMN` on a table.
Exit status: 0 done, 2 one sentence on stderr says what is wrong and nothing was written, 130 interrupted.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .data import MISSING_WORDS, Table, load_penguins, read_table
from .errors import TinygradError
from .train.files import check_folder
from .train.job import PENGUIN_JOB, Settings, prepare, solve, write
from .train.model import ACTIVATIONS
from .train.report import Progress, head, result

__all__ = ["main"]

PATIENCE = 10  # epochs without progress, after which --until-converged stops
CONVERGING_EPOCHS = 10_000  # what --until-converged may take where --epochs says nothing

INTRODUCTION = """\
Train Linear layers with SGD and mean squared error, and see that it is right:
beside least squares, and with the gradients checked.

  tinygrad-lite                                  on the Palmer penguins
  tinygrad-lite train DATA.csv --target COLUMN   on your own table
  tinygrad-lite train --help                     what a table may be
"""

TABLE = f"""\
Train on your own table: predict one numeric column from the others.

DATA.csv is UTF-8 text with the column names on its first line and a comma,
semicolon, tab or bar between the cells. Columns of numbers are used as they
are, columns of text as categories: 0 or 1 for each level but the first.
Missing are cells that are empty or read {", ".join(word for word in MISSING_WORDS if word)}.
Every fifth row, chosen at random, is held out and never trained on.
"""


class _Misuse(Exception):
    """The words on the command line do not make a job; the message says why."""


class _Parser(argparse.ArgumentParser):
    """argparse, with one sentence in place of the usage text, and the nearest option for one that is misspelt."""

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ").split()
        if message.startswith("unrecognized arguments"):
            known = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches(unknown[0].split("=")[0], known, n=1)
            message = (f"there is no option {unknown[0]}" if unknown[0].startswith("-")
                       else f"{unknown[0]!r} is one word too many")
            message += f"; did you mean {near[0]}?" if near else f" (see {self.prog} --help)"
        raise _Misuse(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a column's name may hold letters that this terminal has not
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except SystemExit:  # argparse, after --help and --version
        return 0
    except KeyboardInterrupt:
        return _fail("interrupted: nothing was written", 130)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would complain
        return 141  # as a shell says it of SIGPIPE
    except (_Misuse, TinygradError, OSError) as error:
        return _fail(_sentence(error), 2)
    except MemoryError:
        return _fail("not enough memory for a table and a model of this size", 2)


def _run(words: list[str]) -> int:
    if words and words[0] == "train":
        asked = _train_parser().parse_args(words[1:])
        read: Callable[[], Table] = partial(read_table, asked.data)
        settings = Settings(target=asked.target, features=asked.features, ignore=asked.ignore, missing=asked.missing)
    else:
        if words and not words[0].startswith("-"):
            raise _Misuse(f"there is no command {words[0]!r}; there is: tinygrad-lite train DATA.csv --target COLUMN")
        asked = _parser().parse_args(words)
        read, settings = load_penguins, PENGUIN_JOB
    return _job(read, _with_training(settings, asked), asked.out)


def _with_training(settings: Settings, asked: Any) -> Settings:
    if asked.activation and not asked.hidden:
        raise _Misuse("--activation needs hidden layers: give --hidden as well, as in --hidden 32,16")
    if asked.patience and not asked.until_converged:
        raise _Misuse("--patience is for --until-converged: give that as well")
    return replace(
        settings, hidden=asked.hidden, activation=asked.activation or "tanh", lr=asked.lr, momentum=asked.momentum,
        weight_decay=asked.weight_decay, batch_size=asked.batch_size, seed=asked.seed,
        epochs=asked.epochs or (CONVERGING_EPOCHS if asked.until_converged else settings.epochs),
        patience=(asked.patience or PATIENCE) if asked.until_converged else None,
    )


def _job(read: Callable[[], Table], settings: Settings, out: Path) -> int:
    check_folder(out)
    task = prepare(read(), settings)
    _say([f"tinygrad-lite {__version__}", "", *head(task), ""])
    progress = Progress(sys.stdout, settings.epochs, len(task.y_train))
    try:
        outcome = solve(task, progress.batch, progress.epoch)
    finally:
        progress.close()
    files = write(outcome, out)
    _say([*result(outcome), f"{'files':<11}in {out.absolute()}"])
    width = max(len(str(out / name)) for name, _ in files)
    _say([f"  {str(out / name):<{width}}   {meaning}" for name, meaning in files])
    return 130 if outcome.history.ended == "interrupted" else 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("tinygrad-lite", usage="tinygrad-lite [options]", description=INTRODUCTION, allow_abbrev=False,
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"tinygrad-lite {__version__}")
    _add_training(parser)
    return parser


def _train_parser() -> argparse.ArgumentParser:
    parser = _Parser("tinygrad-lite train", description=TABLE, allow_abbrev=False,
                     usage="tinygrad-lite train DATA.csv --target COLUMN [options]",
                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA.csv", help="the table")
    columns = parser.add_argument_group("columns")
    columns.add_argument("--target", required=True, metavar="COLUMN", help="the numeric column to predict")
    columns.add_argument("--features", type=_names, metavar="A,B", help="predict from these columns only")
    columns.add_argument("--ignore", type=_names, default=(), metavar="A,B", help="do without these columns")
    columns.add_argument("--missing", choices=("drop", "refuse"), default="drop",
                         help="drop the rows with missing values (and name the columns), or refuse; default drop")
    _add_training(parser)
    return parser


def _add_training(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model")
    model.add_argument("--hidden", type=_sizes, default=(), metavar="32,16",
                       help="sizes of hidden layers; default none")
    model.add_argument("--activation", choices=tuple(ACTIVATIONS), help="between hidden layers; default tanh")
    training = parser.add_argument_group("training")
    training.add_argument("--lr", type=_positive, default=Settings.lr, metavar="RATE",
                          help=f"learning rate, on standardised columns; default {Settings.lr:g}")
    training.add_argument("--momentum", type=_momentum, default=0.0, metavar="M",
                          help="from 0 to below 1; default 0")
    training.add_argument("--weight-decay", type=_not_negative, default=0.0, metavar="DECAY", help="default 0")
    training.add_argument("--epochs", type=_count, metavar="N", help=f"passes over the data; default {Settings.epochs}")
    training.add_argument("--batch-size", type=_count, default=Settings.batch_size, metavar="ROWS",
                          help=f"rows per step; default {Settings.batch_size}")
    training.add_argument("--until-converged", action="store_true",
                          help="stop once the training loss has not fallen by more than 0.01 %% in --patience epochs; "
                               f"--epochs is then the most it may take, default {CONVERGING_EPOCHS}")
    training.add_argument("--patience", type=_count, metavar="N", help=f"for --until-converged; default {PATIENCE}")
    training.add_argument("--seed", type=_seed, default=0, metavar="N",
                          help="of the split, the first weights and the order; default 0")
    parser.add_argument("--out", type=Path, default=Path("tinygrad-lite-out"), metavar="FOLDER",
                        help="where the files go; default tinygrad-lite-out")


def _number(text: str, what: str, fits: Callable[[float], bool]) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and fits(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number


def _positive(text: str) -> float:
    return _number(text, "a number above 0", lambda number: number > 0)


def _not_negative(text: str) -> float:
    return _number(text, "a number of 0 or more", lambda number: number >= 0)


def _momentum(text: str) -> float:
    return _number(text, "a number from 0 to below 1", lambda number: 0 <= number < 1)


def _count(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(_whole(size.strip(), 1) for size in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of sizes such as 32,16") from None


def _names(text: str) -> tuple[str, ...]:
    """Column names between commas; a name with a comma in it goes into double quotes, as in the table."""
    return tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []))


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _fail(sentence: str, status: int) -> int:
    sys.stderr.write(f"tinygrad-lite: {sentence}\n")
    return status


def _sentence(error: Exception) -> str:
    """One line, whatever the error."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
