"""2,000 draws over the whole option space of the recurrent layers, each compared with Keras 3.15.1 on TensorFlow.

A draw is one example of Hypothesis: a configuration of its own, with its own weights, inputs, masks and states; several calls of a
stateful layer count once. `DRAWS` says how many each kind of layer gets. The draws are the same in every run (`derandomize`), and
nothing is stored. Of the health checks only `too_slow` is off: building layers of Keras takes its time.

A kernel is compiled for each pair of activations, some five seconds each: most draws take one of the pairs in `COMPILED` and run on
the compiled kernels. All the other activations, in every place, are drawn in `test_activations`, which runs on the NumPy oracle
(`NUMBA_RNN_DEVICE=reference`); each compiled activation is held to that oracle in `tests/kernels/cpu/test_ops.py`.

Where Keras' own backends disagree or Keras fails, this library has a policy of its own, and the draws keep to what can be compared:

- `unroll`, `go_backwards`, `return_sequences` and zeroed outputs under a mask: TensorFlow turns the outputs round but not the mask
  that zeroes them. Keras is given `unroll=False` there, ours `unroll=True` (`keras_source`).
- A stateful `Bidirectional` with `return_state` raises TypeError in Keras (it multiplies a generator): not drawn.
- Gates without bounds are drawn for three steps at most, `exponential` for one and not as a gate: fed back they explode.
- `threshold` has no default in Keras, `glu` halves the units: not drawn.
- A `Bidirectional` with other units backwards has the wrong symbolic shape in Keras: in models both directions are alike.
- A list of one cell loses its list in Keras, and then trips over its states: not drawn, see `test_regressions.py`.
- A list of cells is wrapped by Keras in a float32 layer that rounds float64: there the draws wrap it themselves.
- `LayerNormalization` has a large epsilon: Keras takes the mean away after the division, which loses digits where all is alike.
- No empty batches (TensorFlow refuses them), no sequences without steps (both refuse them).
- Whole numbers as input and a rate of dropout: TensorFlow refuses to scale them, though nothing is to be dropped.
- `TimeDistributed` hands a recurrent layer the slice (B,) of a mask (B, T), on which Keras fails: drawn with masks (B, T, S).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.oracle

DRAWS = {
    "SimpleRNN": 250, "LSTM": 300, "GRU": 300, "RNN": 250, "Bidirectional": 300, "TimeDistributed": 100, "models": 150,
    "activations": 200, "float64": 150,
}  # fmt: skip
assert sum(DRAWS.values()) == 2000

COMPILED = [("tanh", "sigmoid")] * 6 + [("relu", "hard_sigmoid"), ("softsign", "sigmoid")]
BOUNDED = {"tanh", "softsign", "sigmoid", "hard_sigmoid", "hard_tanh", "softmax", "sparse_sigmoid", "sparsemax"}
ACTIVATIONS = sorted(
    BOUNDED
    | {
        "relu", "leaky_relu", "relu6", "celu", "elu", "selu", "softplus", "squareplus", "soft_shrink", "sparse_plus", "silu",
        "gelu", "tanh_shrink", "exponential", "hard_silu", "hard_shrink", "linear", "mish", "log_softmax", "log_sigmoid",
    }
)  # fmt: skip
KINDS = ("SimpleRNN", "LSTM", "GRU")
flags = st.booleans()
seldom = st.sampled_from([False] * 5 + [True])
seeds = st.integers(0, 2**32 - 1)


def drawn(name: str) -> Any:
    """How a kind is drawn."""
    return settings(
        max_examples=DRAWS[name],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def written(name: str, *args: Any, **options: Any) -> str:
    """A call in source."""
    return f"K.{name}({', '.join([*map(str, args), *(f'{k}={v!r}' for k, v in options.items())])})"


@st.composite
def cell_options(draw: Any, kind: str, pairs: Any, dtype: str) -> dict[str, Any]:
    activation, recurrent = draw(pairs)
    options: dict[str, Any] = {"activation": activation}
    if kind != "SimpleRNN":
        options["recurrent_activation"] = recurrent
        if draw(seldom):
            options["implementation"] = draw(st.sampled_from([1, 2]))
    if draw(seldom):
        options["use_bias"] = False
    if kind == "GRU" and draw(flags):
        options["reset_after"] = False
    if draw(seldom):
        options["dropout"] = 0.5  # which only training may heed
    if dtype != "float32":
        options["dtype"] = dtype
    return options


def is_tame(source: str, where: str = "activation") -> bool:
    """Whether an activation of the layer is unbounded, so that its weights must be tamed."""
    return any(f"{where}='{name}'" in source for name in ACTIVATIONS if name not in BOUNDED)


@st.composite
def recurrent(
    draw: Any, kinds: Any = KINDS, pairs: Any = None, dtype: str = "float32", stacks: bool = False, **fixed: Any
) -> dict[str, Any]:
    """A recurrent layer: its source, its options and the sizes of its states."""
    pairs = st.sampled_from(COMPILED) if pairs is None else pairs
    options: dict[str, Any] = {
        k: draw(flags)
        for k in ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask", "unroll")
        if k not in fixed
    }
    options["stateful"] = draw(seldom)
    options.update(fixed)
    units = st.integers(1, 10)
    of_layer = {k: v for k, v in options.items() if v}
    policy = {} if dtype == "float32" else {"dtype": dtype}
    if not stacks:
        kind, n = draw(st.sampled_from(kinds)), draw(units)
        source = written(kind, n, **draw(cell_options(kind, pairs, dtype)), **of_layer)
        return {
            "source": source,
            "states": [[n] * (2 if kind == "LSTM" else 1)],
            "stacked": False,
            **options,
        }
    cells, states = [], []
    for _ in range(draw(st.integers(1, 3))):
        kind, n = draw(st.sampled_from(kinds)), draw(units)
        cells.append(written(f"{kind}Cell", n, **draw(cell_options(kind, pairs, dtype))))
        states.append([n] * (2 if kind == "LSTM" else 1))
    of_layer.update(policy)
    inner = f"[{', '.join(cells)}]"
    if stacked := len(cells) > 1:
        if draw(flags) or policy:
            inner = written("StackedRNNCells", inner, **policy)
    else:
        inner = cells[0]
    return {
        "source": written("RNN", inner, **of_layer),
        "states": states,
        "stacked": stacked,
        **options,
    }


@st.composite
def calls(draw: Any, layer: dict[str, Any], lists: bool = False, bare: bool = True) -> Any:
    """How a layer is called: once, or several times where it keeps states."""
    made = []
    source = layer["source"]
    longest = 1 if "exponential" in source else 3 if is_tame(source, "recurrent_activation") else 8
    n = draw(st.integers(2, 3)) if layer["stateful"] and longest == 8 else 1
    for i in range(n):
        call: dict[str, Any] = {"steps": draw(st.integers(1, longest))}
        if draw(seldom):
            whole = [] if "dropout=" in source else ["int32", "int64"]
            call["input"] = draw(st.sampled_from(["float64", "float16", *whole]))
        if draw(st.integers(0, 3)):
            call["mask"] = draw(st.sampled_from(["right", "left", "gaps", "full", "empty", "rows"]))
            call["mask_axes"] = draw(st.sampled_from([2, 2, 2, 3]))
            call["mask_dtype"] = draw(st.sampled_from(["bool", "bool", "int32", "float32"]))
            call["attached"] = draw(flags)
            call["mask_list"] = lists and draw(seldom)
        if layer["states"] and draw(flags):
            single = bare and sum(map(len, layer["states"])) == 1
            call["state"] = draw(st.sampled_from(["list", "tuple", "positional", *(["bare"] if single else [])]))
            call["state_dtype"] = draw(st.sampled_from(["float32", "float32", "float64"]))
        if i and draw(seldom):
            call["reset"] = True
        made.append(call)
    return made


def keras_source(layer: dict[str, Any], made: list[dict[str, Any]]) -> str:
    """What Keras is given: not unrolled where TensorFlow zeroes the wrong steps."""
    masked = any(call.get("mask") for call in made)
    source: str = layer["source"]
    backwards = (layer["go_backwards"] and layer["zero_output_for_mask"]) or source.startswith("K.Bidirectional")
    if masked and backwards and layer["return_sequences"]:
        return source.replace("unroll=True", "unroll=False")
    return source


@st.composite
def cases(draw: Any, layer: Any, dtype: str = "float32", **how: Any) -> dict[str, Any]:
    """Everything `pair` needs for one recurrent layer."""
    layer = draw(layer)
    made = draw(calls(layer, **how))
    return {
        "layer": layer["source"],
        "calls": made,
        "rows": draw(st.integers(1, 6)),
        "shape": (draw(st.integers(1, 7)),),
        "states": layer["states"],
        "dtype": dtype,
        "tame": is_tame(layer["source"]),
        "seed": draw(seeds),
        "keras_layer": keras_source(layer, made),
    }


@given(cases(recurrent(("SimpleRNN",))))
@drawn("SimpleRNN")
def test_simple_rnn(pair: Any, case: Any) -> None:
    pair(**case)


@given(cases(recurrent(("LSTM",)), lists=True))
@drawn("LSTM")
def test_lstm(pair: Any, case: Any) -> None:
    pair(**case)


@given(cases(recurrent(("GRU",)), lists=True))
@drawn("GRU")
def test_gru(pair: Any, case: Any) -> None:
    pair(**case)


@given(cases(recurrent(stacks=True)))
@drawn("RNN")
def test_rnn_of_cells(pair: Any, case: Any) -> None:
    pair(**case)


MERGED = ("concat", "sum", "mul", "ave")


@st.composite
def both_ways(
    draw: Any, dtype: str = "float32", merge: Any = (*MERGED, None), twins: bool = False, **fixed: Any
) -> dict[str, Any]:
    """A Bidirectional layer, perhaps with a backward layer of another kind."""
    shared = {k: fixed[k] if k in fixed else draw(flags) for k in ("return_sequences", "return_state")}
    shared["stateful"] = fixed.get("stateful", draw(seldom) and not shared["return_state"])
    shared |= {k: v for k, v in fixed.items() if k == "unroll"}
    stacks = draw(seldom)
    ahead = draw(recurrent(go_backwards=False, stacks=stacks, dtype=dtype, **shared))
    merge = draw(st.sampled_from(merge))
    args, states = [ahead["source"]], ahead["states"] * 2
    policy = {} if dtype == "float32" else {"dtype": dtype}
    source = written("Bidirectional", *args, merge_mode=merge, **policy)
    if not (stacks or twins) and draw(flags):
        back = draw(recurrent(go_backwards=True, dtype=dtype, **shared))
        if merge in {"concat", None} or ahead["states"][0][0] == back["states"][0][0]:  # sums need as many units
            states = [*ahead["states"], *back["states"]]
            source = written("Bidirectional", *args, f"backward_layer={back['source']}", merge_mode=merge, **policy)
    if not ahead["stacked"]:
        # One list, which is cut in halves: none is given where the directions have different numbers of states.
        states = [[u for cell in states for u in cell]] if len(states[0]) == len(states[1]) else []
    return {**ahead, "source": source, "states": states}


@st.composite
def bidirectional_cases(draw: Any, dtype: str = "float32") -> dict[str, Any]:
    layer = draw(both_ways(dtype))
    case: dict[str, Any] = draw(cases(st.just(layer), dtype=dtype, bare=False))
    return case


@given(bidirectional_cases())
@drawn("Bidirectional")
def test_bidirectional(pair: Any, case: Any) -> None:
    pair(**case)


GATES = [name for name in ACTIVATIONS if name != "exponential"]
PAIRS = st.tuples(st.sampled_from(ACTIVATIONS), st.sampled_from(GATES))


@given(cases(recurrent(pairs=PAIRS)))
@drawn("activations")
def test_activations(pair: Any, case: Any) -> None:
    pair(**case, backend="reference")


@given(
    st.one_of(
        cases(recurrent(pairs=st.just(("tanh", "sigmoid")), dtype="float64"), dtype="float64"),
        bidirectional_cases(dtype="float64"),
    )
)
@drawn("float64")
def test_float64(pair: Any, case: Any) -> None:
    pair(**case)


@st.composite
def each_step(draw: Any) -> dict[str, Any]:
    """TimeDistributed over a layer of its own kind of step."""
    steps = {"steps": draw(st.integers(1, 5))}
    if draw(flags):  # steps that are sequences
        shape = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
        fixed = {"stateful": False, "return_state": False}
        inner = draw(st.one_of(recurrent(**fixed), both_ways(**fixed, merge=MERGED)))
        if draw(flags):
            steps.update(mask=draw(st.sampled_from(["right", "gaps", "rows"])), mask_axes="inner")
        keras_inner = keras_source(inner, [steps])
    else:
        shape = (draw(st.integers(1, 7)),)
        activation = draw(st.sampled_from(["linear", "relu", "tanh", "softmax"]))
        units = draw(st.integers(1, 8))
        kinds = [
            written("Dense", units, activation=activation, use_bias=draw(flags)), written("Dropout", 0.5),
            written("Activation", repr(activation)), written("LayerNormalization", epsilon=0.1),
        ]  # fmt: skip
        keras_inner = draw(st.sampled_from(kinds))
        inner = {"source": keras_inner}
        if draw(flags):
            steps.update(mask=draw(st.sampled_from(["right", "gaps", "empty"])), attached=draw(flags))
    return {
        "layer": written("TimeDistributed", inner["source"]),
        "keras_layer": written("TimeDistributed", keras_inner),
        "calls": [steps],
        "rows": draw(st.integers(1, 5)),
        "shape": shape,
        "tame": is_tame(inner["source"]),
        "seed": draw(seeds),
    }


@given(each_step())
@drawn("TimeDistributed")
def test_time_distributed(pair: Any, case: Any) -> None:
    pair(**case)


@st.composite
def models(draw: Any) -> dict[str, Any]:
    """A Sequential or functional model: perhaps a maker of masks, recurrent layers with others between them, a head."""
    steps, D = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    length = steps if draw(flags) else None
    call: dict[str, Any] = {"steps": steps, "mask": draw(st.sampled_from(["right", "left", "gaps", "rows", "empty"]))}
    shape: tuple[int, ...] = (D,)
    first = draw(st.sampled_from(["Embedding", "Masking", "none"]))
    parts = []
    if first == "Embedding":
        call |= {"ids": draw(st.integers(2, 9)), "input": draw(st.sampled_from(["int32", "int64", "float32"]))}
        shape = ()
        parts.append(written("Embedding", call["ids"], D, mask_zero=draw(flags)))
    else:
        call["fill"] = draw(st.sampled_from([0.0, -1.0]))
        if first == "Masking":
            parts.append(written("Masking", mask_value=call["fill"]))
    between = [
        written("Dropout", 0.3), written("Dense", 4, activation="tanh"), written("LayerNormalization", epsilon=0.1),
        written("TimeDistributed", written("Dense", 3)), written("Activation", "'relu'"), written("BatchNormalization"),
    ]  # fmt: skip
    n = draw(st.integers(1, 3))
    for i in range(n):
        fixed = dict.fromkeys(("return_state", "stateful", "unroll"), False)
        fixed["return_sequences"] = i < n - 1 or draw(seldom)
        wrapped = both_ways(**fixed, merge=MERGED, twins=True)
        parts.append(draw(wrapped if draw(seldom) else recurrent(stacks=draw(seldom), **fixed))["source"])
        if draw(flags) and fixed["return_sequences"]:
            parts.append(draw(st.sampled_from(between)))
    if fixed["return_sequences"] and draw(flags):
        parts.append(written("GlobalAveragePooling1D"))
    if draw(flags):
        parts.append(
            written(
                "Dense", draw(st.integers(1, 5)), activation=draw(st.sampled_from(["softmax", "sigmoid", "linear"]))
            )
        )
    inputs = written("Input", (length, *shape), **({"dtype": call["input"]} if first == "Embedding" else {}))
    source = (
        f"K.Sequential([{', '.join([inputs, *parts])}])" if draw(flags) else f"chain({', '.join([inputs, *parts])})"
    )
    return {
        "layer": source,
        "calls": [call],
        "rows": draw(st.integers(1, 5)),
        "shape": shape,
        "tame": is_tame(source),
        "seed": draw(seeds),
    }


@st.composite
def states_handed_on(draw: Any) -> dict[str, Any]:
    """An encoder whose last states a decoder begins with."""
    D, kind, units = draw(st.integers(1, 5)), draw(st.sampled_from(KINDS)), draw(st.integers(1, 6))
    encoder, decoder = (
        written(kind, units, **draw(cell_options(kind, st.sampled_from(COMPILED), "float32")), **options)
        for options in ({"return_state": True}, {"return_sequences": True, "go_backwards": draw(flags)})
    )
    call = {"steps": draw(st.integers(1, 6)), "fill": 0.0, "mask": draw(st.sampled_from(["right", "gaps"]))}
    inputs = written("Input", (None, D))
    first = "K.Masking()" if draw(flags) else "None"
    source = f"encoder_decoder({inputs}, {first}, {encoder}, {decoder})"
    return {"layer": source, "calls": [call], "shape": (D,), "tame": is_tame(source), "seed": draw(seeds)}


@given(st.one_of(models(), models(), models(), states_handed_on()))
@drawn("models")
def test_models(pair: Any, case: Any) -> None:
    pair(**case)
