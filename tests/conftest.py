"""Every test starts with the same default generator: what is drawn without a seed is drawn alike in every run and in any order."""

import pytest

import tinygrad_lite as tl


@pytest.fixture(autouse=True)
def same_draws() -> None:
    tl.manual_seed(0)
