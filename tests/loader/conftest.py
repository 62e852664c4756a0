"""What most tests of the loader load from."""

from __future__ import annotations

import pytest

from dnafast import Genome
from streams import make_genome


@pytest.fixture(scope="module")
def genome() -> Genome:
    return make_genome()
