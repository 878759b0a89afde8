"""Dropout inside recurrent cells: masks drawn once a call and used at every one of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from numba_rnn import random
from numba_rnn._typing import Array

__all__ = ["DropoutRNNCell"]


class DropoutRNNCell:
    """What a cell inherits to drop inputs and states while training: Keras' methods of these names.

    A mask has the shape of a step's inputs or of a state; its values are 0, or 1 / (1 - rate). It lasts until it is reset, which
    `RNN` does after each call. The cell has the attributes `dropout`, `recurrent_dropout` (rates) and `seed`; with
    `dropout_mask_count` set, each of the methods draws a list of so many independent masks, one a gate.

    Source: Gal and Ghahramani (2016), A Theoretically Grounded Application of Dropout in Recurrent Neural Networks, section 4.
    """

    dropout: float
    recurrent_dropout: float
    seed: int | None = None
    dropout_mask_count: int | None = None
    _seed_generator: random.SeedGenerator | None = None
    _dropout_mask: Any = None
    _recurrent_dropout_mask: Any = None

    @property
    def seed_generator(self) -> random.SeedGenerator:
        """Where the masks come from; calls with the same seed, in the same order, draw the same."""
        if self._seed_generator is None:
            self._seed_generator = random.SeedGenerator(self.seed)
        return self._seed_generator

    def get_dropout_mask(self, step_input: Array) -> Any:
        """The mask for inputs like this one (B, D), None where nothing is dropped."""
        if self._dropout_mask is None and self.dropout > 0:
            self._dropout_mask = self._draw(step_input, self.dropout)
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input: Array) -> Any:
        """The mask for a state like this one (B, H), None where nothing is dropped."""
        if self._recurrent_dropout_mask is None and self.recurrent_dropout > 0:
            self._recurrent_dropout_mask = self._draw(step_input, self.recurrent_dropout)
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self) -> None:
        """Draw anew at the next call."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Draw anew at the next call."""
        self._recurrent_dropout_mask = None

    def reset_dropout_masks(self) -> None:
        """Draw new masks, of both kinds, at the next call."""
        self.reset_dropout_mask()
        self.reset_recurrent_dropout_mask()

    def _draw(self, like: Array, rate: float) -> Any:
        ones = np.ones_like(like)
        if self.dropout_mask_count is None:
            return random.dropout(ones, rate, seed=self.seed_generator)
        return [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(self.dropout_mask_count)]
