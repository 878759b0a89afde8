"""Write the golden files of Keras 1 and of Keras 2.0 to 2.3, which ran without TensorFlow: the same as `make_keras2.py`.

    pip install numpy==1.23.5 "scipy<1.11" "h5py<3.10" pyyaml six Theano==1.0.5
    pip install --no-deps keras==2.2.4 keras_applications keras_preprocessing    # or 1.2.2, 2.0.8, 2.3.1
    python tests/golden/make_keras1.py [CASE ...]

Keras itself is as it was published, and so is its backend, Theano, which interprets its graphs here (`cxx=` turns its
compiler off). What both miss in a newer Python is given back to Python before they are imported (`old_python.py`):
names that `collections` and `inspect` dropped, and a record of NumPy's build. None of it touches what is computed or saved.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")
os.environ["KERAS_BACKEND"] = "theano"
os.environ["THEANO_FLAGS"] = "cxx=,device=cpu,floatX=float32,blas.ldflags="


import numpy.distutils.__config__ as built  # noqa: E402
from old_python import restore  # noqa: E402

restore()
built.blas_opt_info = {}

from keras2_cases import CASES, B, D, H, Input, L, Model, Sequential, T, case, keras, padded, sequences, tokens  # noqa: E402
from make_keras2 import HERE, VERSION, write  # noqa: E402

KERAS_2 = [
    "sequential_lstm",
    "sequential_old",
    "embedding_masks",
    "masked_old",
    "encoder_decoder_masked",
    "bidirectional_old",
    "nested_old",
    "shared_layers",
    "stateful",
    "nested_norm",
]
ONLY = {
    (1, 2): ["sequential_lstm", "sequential_old", "embedding_masks", "masked_old", "functional_old", "stateful"],
    (2, 0): ["sequential_lstm", "sequential_old", "embedding_masks", "nested_old"],
    (2, 2): [*KERAS_2, "gru_options"],
    (2, 3): ["sequential_old", "masked_old", "encoder_decoder", "encoder_decoder_masked", "nested_norm", "trained_old"],
}


@case("legacy_weights.h5")
def sequential_old(rng):
    return Sequential(
        [
            L.GRU(3, return_sequences=True, input_shape=(T, D)),
            L.TimeDistributed(L.Dense(4, activation="relu")),
            L.SimpleRNN(2, return_sequences=True, go_backwards=True),
            L.Bidirectional(L.GRU(2), merge_mode="sum"),
            L.BatchNormalization(),
            L.Dense(2, activation="hard_sigmoid"),
        ]
    ), sequences(rng)


@case()
def masked_old(rng):
    return Sequential(
        [
            L.Masking(input_shape=(6, D)),
            L.Bidirectional(L.LSTM(3, return_sequences=True, activation="softsign")),
            L.GRU(3, return_sequences=True, unroll=True),
            L.LSTM(2, go_backwards=True),
        ]
    ), padded(rng)


@case()
def bidirectional_old(rng):
    i = Input((T, D), name="x")
    outputs = [
        L.Bidirectional(L.GRU(H, return_sequences=True), merge_mode="ave")(i),
        L.Bidirectional(L.SimpleRNN(H), merge_mode="mul")(i),
        L.Bidirectional(L.LSTM(2, use_bias=False), merge_mode="sum")(i),
    ]
    return Model(i, outputs), sequences(rng)


@case("legacy_weights.h5")
def nested_old(rng):
    i, inner = Input((T, D), name="x"), Input((T, D), name="inner_x")
    functional = Model(inner, L.LSTM(H, return_sequences=True, name="inner_lstm")(inner), name="functional_part")
    sequential = Sequential([L.Dense(4, activation="relu", input_shape=(T, D)), L.GRU(2)], name="sequential_part")
    a = functional(i)
    return Model(i, [L.SimpleRNN(2)(a), sequential(i), sequential(a)]), sequences(rng)


@case()
def functional_old(rng):
    """Keras 1: a layer called twice, and its `merge`."""
    i, j = Input((6,), dtype="int32", name="left"), Input((6,), dtype="int32", name="right")
    e, shared = L.Embedding(7, 3, mask_zero=True), L.LSTM(H, name="shared")
    a, b = shared(e(i)), shared(e(j))
    return Model([i, j], [L.Dense(2)(L.merge([a, b], mode="concat")), L.merge([a, b], mode="sum")]), [
        tokens(rng),
        tokens(rng)[::-1].copy(),
    ]


@case()
def trained_old(rng):
    model = Sequential([L.LSTM(3, input_shape=(T, D)), L.Dense(1)])
    model.compile("adam", "mse")
    x = sequences(rng)
    model.train_on_batch(x, rng.normal(size=(B, 1)))
    return model, x


def main(names: list[str], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    missing: Any = set(names) - set(CASES)
    if missing:
        raise SystemExit(f"No such case: {sorted(missing)}")
    for name in names:
        write(name, folder)


if __name__ == "__main__":
    main(sys.argv[1:] or ONLY[VERSION], HERE / keras.__version__)
