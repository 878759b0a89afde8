"""Files of Keras 1 and 2: their configs, graphs, weights and layouts as Keras 3 would have written them."""

from __future__ import annotations

from numba_rnn.loaders.keras_v2.configs import upgrade, upgrade_compiled

__all__ = ["upgrade", "upgrade_compiled"]
