"""Settings: read once, validated, restored."""

import os
import subprocess
import sys

import pytest

from numba_rnn import config


def test_device_context_restores():
    before = config.settings.device
    with config.device("reference"):
        assert config.settings.device == "reference"
    assert config.settings.device == before
    with pytest.raises(ValueError, match="Unknown device"), config.device("tpu"):
        pass


@pytest.mark.parametrize("n", [-1, 1.5, True, "2"])
def test_set_threads_refuses(n):
    with pytest.raises(ValueError, match="whole number of threads"):
        config.set_threads(n)


def test_set_threads(monkeypatch):
    monkeypatch.setattr(config.settings, "threads", 0)
    config.set_threads(2)
    assert config.settings.threads == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("NUMBA_RNN_DEVICE", "tpu"), ("NUMBA_RNN_THREADS", "two"), ("NUMBA_RNN_LANES", "3"), ("NUMBA_RNN_CACHE", "yes")],
)
def test_a_bad_variable_is_named(name, value):
    env = {**os.environ, name: value}
    done = subprocess.run(
        [sys.executable, "-c", "import numba_rnn.config"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert name in done.stderr
