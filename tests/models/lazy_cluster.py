"""`model.predict` on a Dask cluster of two worker processes; see `test_lazy.py`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import numba_rnn as keras
from numba_rnn import layers


class Counted(layers.Layer):
    """Says who unpickles it, and adds to its input who computes."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        with Path(f"{os.getpid()}.loaded").open("a", encoding="utf-8") as file:
            file.write(".")

    def call(self, x: Any) -> Any:
        """`x` as it is."""
        Path(f"{os.getpid()}.called").touch()
        return x


def main() -> None:
    """Compare with what this process predicts, and see who did it."""
    model = keras.Sequential(
        [keras.Input((None, 4)), Counted(), layers.LSTM(6, return_sequences=True), layers.Dense(3)]
    )
    rng = np.random.default_rng(5)
    x = rng.normal(size=(4000, 5, 4)).astype("float32")
    want = model.predict(x, batch_size=4000, verbose=0)
    Path(f"{os.getpid()}.called").unlink()
    dask.config.set({"distributed.scheduler.work-stealing": False})
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        y = model.predict(da.from_array(x, chunks=(100, -1, -1)))
        assert y.chunks == ((100,) * 40, (5,), (3,))
        Path(f"{os.getpid()}.called").unlink()  # by the row of zeros
        np.testing.assert_array_equal(y.compute(), want)
        total = y.sum(axis=(1, 2)).mean().compute()  # chunks that never come together
        np.testing.assert_allclose(total, want.sum(axis=(1, 2)).mean(), rtol=1e-4)
        workers = {info["pid"] for info in client.run(lambda: {"pid": os.getpid()}).values()}
    called = {int(path.stem) for path in Path().glob("*.called")}
    assert called, "nobody computed"
    assert called <= workers, (called, workers, os.getpid())
    assert len(called) == 2, called
    for path in Path().glob("*.loaded"):
        if int(path.stem) in workers:
            assert path.stat().st_size <= 6, f"{path}: {path.stat().st_size} copies of the model for 80 chunks"
    Path("done").write_text("", encoding="utf-8")


if __name__ == "__main__":
    main()
