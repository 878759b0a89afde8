"""Train a small recurrent network with Keras on scikit-learn's handwritten digits, read row by row, and save it.

    pip install keras==3.15.1 tensorflow-cpu scikit-learn
    python examples/train_digits.py

Writes, beside itself, `digits.keras`, the held-back images with their labels (`digits_test.npz`: x (450, 8, 8), label
(450,)) and what Keras itself predicts for them (`digits_keras_predictions.npy`, (450, 10)). Then, without Keras:

    numba-rnn predict examples/digits.keras examples/digits_test.npz
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def main() -> None:
    """Train, save, predict, report."""
    keras.utils.set_random_seed(1)
    digits = load_digits()
    images = (digits.images / 16).astype("float32")  # (1797, 8, 8): 8 steps of 8 pixels
    x, x_test, label, label_test = train_test_split(
        images, digits.target, test_size=450, random_state=1, stratify=digits.target
    )

    model = keras.Sequential(
        [
            layers.Input((8, 8)),
            layers.Bidirectional(layers.GRU(16, return_sequences=True)),
            layers.LSTM(24),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, label, batch_size=32, epochs=30, verbose=2)
    model.compile()  # a fresh optimizer: the file need not hold the state of the one that trained
    model.save(HERE / "digits.keras")

    predictions = model.predict(x_test, verbose=0)
    np.savez_compressed(HERE / "digits_test.npz", x=x_test, label=label_test)
    np.save(HERE / "digits_keras_predictions.npy", predictions)
    print(f"{model.count_params()} weights, accuracy {np.mean(predictions.argmax(axis=1) == label_test):.4f}")


if __name__ == "__main__":
    main()
