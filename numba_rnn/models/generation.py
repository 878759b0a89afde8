"""Sequences that a model writes itself: what it gives for a step, a choice made of it, is its input for the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numba_rnn._typing import Array
from numba_rnn.ops.tree import flatten

__all__ = ["CHOICES", "generate"]


def _greedy(y: Array, temperature: float, rng: np.random.Generator) -> Array:
    """The class with the largest share."""
    return y.argmax(-1)


def _sample(y: Array, temperature: float, rng: np.random.Generator) -> Array:
    """A class drawn by its share, p^(1/temperature) made to add up to 1."""
    if (y < 0).any():
        raise ValueError(
            "Classes are drawn from probabilities, which are not negative. Received: negative outputs. End the model with a "
            "softmax, or pass a `choose` of your own."
        )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scaled = np.log(y.astype(np.float64))
        scaled = (scaled - scaled.max(-1, keepdims=True)) / temperature  # the likeliest class's is 0 at any temperature
    # The largest of the logarithms plus Gumbel noise falls on each class as often as its share says.
    return (scaled + rng.gumbel(size=y.shape)).argmax(-1)


CHOICES: dict[str, Callable[[Array, float, np.random.Generator], Array]] = {"greedy": _greedy, "sample": _sample}


def generate(
    session: Any,
    start: Any,
    steps: int,
    choose: Any = "greedy",
    *,
    temperature: float = 1.0,
    seed: int | None = None,
    feed: Callable[[Array], Any] | None = None,
    stop: Any = None,
) -> Array:
    """Run a session on its own output; see `Session.generate`."""
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"`steps` must be a whole number, at least 1. Received: {steps!r}.")
    if not callable(choose) and choose not in CHOICES:
        raise ValueError(f"`choose` is {', '.join(map(repr, CHOICES))}, or a function. Received: {choose!r}.")
    if not 0 < temperature < np.inf:
        raise ValueError(f"`temperature` must be above 0, and finite. Received: {temperature!r}.")
    rng = np.random.default_rng(seed)
    picks = choose if callable(choose) else lambda y: CHOICES[choose](y, temperature, rng)
    made: list[Array] = []
    done = np.zeros(session.batch, np.bool_)
    frame = start
    for _ in range(steps):
        y = session.step(frame)
        if isinstance(y, np.ndarray) and not callable(choose) and y.ndim == 3:
            y = y[:, -1]  # a prompt of several steps: the last one's output is what comes next
        if not callable(choose) and not isinstance(y, np.ndarray):
            raise ValueError(
                f"`choose={choose!r}` takes a model with one output. Received: {len(flatten(y))} of them. Pass a function of these."
            )
        choice = np.array(picks(y))  # a copy: the next step writes where these outputs are
        if choice.shape[:1] != (session.batch,):
            raise ValueError(
                f"`choose` must return a choice for each row. Expected: {session.batch} of them. Received: shape {choice.shape}."
            )
        if made and done.any():
            choice = np.where(done.reshape(-1, *(1,) * (choice.ndim - 1)), made[-1], choice)
        made.append(choice)
        if stop is not None:
            done |= np.asarray(stop(choice) if callable(stop) else choice == stop).reshape(session.batch, -1).all(1)
            if done.all():
                break
        frame = feed(choice) if feed is not None else session.frame_of(choice)
    return np.stack(made, 1)
