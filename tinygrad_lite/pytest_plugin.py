"""The pytest plugin: a fixture `gradcheck` for the tests of anybody's gradients, whose failure is the report and no traceback.

    def test_my_op(gradcheck):
        gradcheck(my_op, [x, w])                   # verify.gradcheck
        gradcheck.gradgradcheck(my_op, [x, w])     # of the gradient
        gradcheck.check_module(model, x)           # of a model, by parameter
        gradcheck.check(f, df, x)                  # of a claim about any NumPy function

pytest imports this file in every project of an environment where the package is installed; nothing of the package is imported until a test asks
for the fixture.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .verify import Report

__all__ = ["Gradcheck", "gradcheck", "pytest_addoption", "pytest_report_header"]


class Gradcheck:
    """What the fixture gives: the checks of `tinygrad_lite.verify` under their own names, drawn from one seed. Each returns its Report."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, func: Callable[..., Any], inputs: Any, **options: Any) -> "Report":
        __tracebackhide__ = True
        return self._asked("gradcheck", func, inputs, **options)

    def gradgradcheck(self, func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, **options: Any) -> "Report":
        __tracebackhide__ = True
        return self._asked("gradgradcheck", func, inputs, grad_outputs, **options)

    def check_module(self, module: Any, *inputs: Any, **options: Any) -> "Report":
        __tracebackhide__ = True
        return self._asked("check_module", module, *inputs, **options)

    def check(self, fn: Callable[..., Any], grad_fn: Callable[..., Any], *arrays: Any, **options: Any) -> "Report":
        __tracebackhide__ = True
        return self._asked("check", fn, grad_fn, *arrays, **options)

    def _asked(self, question: str, *args: Any, **options: Any) -> "Report":
        __tracebackhide__ = True
        from . import verify
        from .errors import GradcheckError

        seed = options.setdefault("seed", self.seed)
        try:
            return getattr(verify, question)(*args, **options)  # type: ignore[no-any-return]
        except GradcheckError as error:
            text = f"{error}\n  to draw the same again: --gradcheck-seed={seed}"
        return pytest.fail(text, pytrace=False)


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Gradcheck:
    """Hold gradients against their values: gradcheck(func, inputs), .gradgradcheck, .check_module, .check; see tinygrad_lite.verify."""
    return Gradcheck(_seed(request.config))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("gradcheck").addoption(
        "--gradcheck-seed", default="0", metavar="N", type=_number_or_random,
        help="what the gradcheck fixture draws its weights and directions from: a number (default 0), or 'random' for another in each run")


def pytest_report_header(config: pytest.Config) -> str | None:
    """The seed, where one was asked for; other projects' headers stay as they are."""
    return f"gradcheck: --gradcheck-seed={_seed(config)}" if config.getoption("gradcheck_seed") != "0" else None


def _number_or_random(text: str) -> str:
    """As argparse wants it: the text of a seed, drawn here where none is said."""
    if text == "random":
        import random

        return str(random.SystemRandom().randrange(2**31))
    return str(int(text))


def _seed(config: pytest.Config) -> int:
    return int(config.getoption("gradcheck_seed"))
