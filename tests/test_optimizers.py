from __future__ import annotations

import warnings
from typing import Any

import pytest

from numba_rnn import layers, models, optimizers


def test_arguments_are_kept() -> None:
    adam = optimizers.Adam(1e-4, clipnorm=1.0)
    assert adam.learning_rate == 1e-4
    assert adam.get_config() == {"name": "adam", "learning_rate": 1e-4, "clipnorm": 1.0}
    again = optimizers.Adam.from_config(adam.get_config())
    assert again.get_config() == adam.get_config()


def test_by_name() -> None:
    assert isinstance(optimizers.get("RMSprop"), optimizers.RMSprop)
    assert optimizers.get("adam").get_config() == {"name": "adam"}
    given = object()
    assert optimizers.get(given) is given
    with pytest.raises(ValueError, match=r"Could not interpret optimizer identifier: nope. Known: adadelta"):
        optimizers.get("nope")


@pytest.mark.oracle
def test_keras_reads_them(keras: Any, tmp_path: Any) -> None:
    model = models.Sequential([layers.Input((3, 2)), layers.GRU(2), layers.Dense(1)])
    model.compile(optimizers.Adam(3e-4, beta_1=0.8), "mse")
    model.save(tmp_path / "m.keras")
    with warnings.catch_warnings():  # it says that the file has none of the optimizer's variables
        warnings.simplefilter("ignore")
        theirs = keras.saving.load_model(tmp_path / "m.keras")
    assert type(theirs.optimizer).__name__ == "Adam"
    assert theirs.optimizer.get_config()["beta_1"] == pytest.approx(0.8)
    assert float(theirs.optimizer.learning_rate) == pytest.approx(3e-4)


@pytest.mark.oracle
def test_names_are_keras(keras: Any) -> None:
    ours = {name for name in optimizers.__all__ if name not in {"get"}}
    theirs = {name for name in dir(keras.optimizers) if name[0].isupper()}
    assert ours <= theirs
    assert theirs - ours <= {"MultiOptimizer", "OptimizerMap"}
