"""Models are tested over the oracle backend: what kernels compute has tests of its own."""

from __future__ import annotations

import pytest

from numba_rnn.config import settings
from numba_rnn.ops.naming import clear_session


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "device", "reference")
    clear_session()
