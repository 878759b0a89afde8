"""The layer: a name, weights, options, and a call that checks its input once and carries masks along."""

from __future__ import annotations

import inspect
import itertools
import os
import warnings
from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Any

import numpy as np

from numba_rnn import dispatch, regularizers
from numba_rnn.config.policies import policy_name
from numba_rnn.custom import is_ours
from numba_rnn.errors import ShapeError
from numba_rnn.layers.calling import added_losses, in_training, signature_of, training_scope
from numba_rnn.layers.configured import Configured
from numba_rnn.layers.constructor import arguments_of
from numba_rnn.layers.input_spec import as_tensor, cast, check_spec
from numba_rnn.layers.introspection import Introspective
from numba_rnn.layers.masks import MaskedArray, get_mask, set_mask, without_mask
from numba_rnn.layers.serialization import is_reading
from numba_rnn.layers.weight import name_scope
from numba_rnn.layers.weighted import Weighted
from numba_rnn.ops.symbolic import SymbolicTensor, infer, is_symbolic, record
from numba_rnn.ops.tree import flatten, map_structure

__all__ = ["Layer"]

ONLY_A_MASK = frozenset({"mask"})
_one_builds = RLock()  # two threads that call a new layer must not both make its weights
CACHES = {"_fast_dtype", "_fast_ndim", "_makes_masks", "_on_gpu", "_paired"}  # attributes that a copy finds for itself


class Layer(Introspective, Configured, Weighted):
    """What every layer and model is; subclass it for one of your own, as with Keras.

    To override: `build(self, input_shape)`, which makes the weights with `add_weight`; `call(self, inputs, ...)`, which gets
    arrays, and `training` and `mask` if it takes them; `get_config`; `compute_mask` where masks are made or changed
    (`supports_masking`); `compute_output_shape` where running on zeros would not show the shape.

    The library's own layers also declare `config_keys`, the constructor's arguments that a file holds; `child_keys`, those among
    them that are layers; `config_extras`, what `from_config` takes beyond the constructors' named arguments.

    Args:
        activity_regularizer, trainable, autocast: kept for Keras' sake.
        dtype: `"float32"` or `"float64"`, what it computes in.
        name: unique in a model; made from the class if None.

    Raises:
        ValueError: an argument that the layer does not know.
        DTypeError: another dtype.
    """

    supports_masking = False
    sees_masks = False  # `call` gets arrays with their masks still on them
    checks_sizes = False  # `call` itself finds what `input_spec` says of sizes
    # What `call` takes beside its input without a check, and no output has a mask.
    direct_arguments: frozenset[str] = frozenset()
    built_at_init = False  # there is nothing to build, before or after it sees a shape
    _building = False
    _arguments: dict[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Keeps what a class of the user's own is made with, in case it has no `get_config`."""
        layer = super().__new__(cls)
        if not is_ours(cls):
            layer._arguments = arguments_of(cls, args, kwargs)
        return layer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "compute_mask" in vars(cls) and "supports_masking" not in vars(cls) and not is_ours(cls):
            cls.supports_masking = True  # as Keras takes it
        if "build" in vars(cls):
            setattr(cls, "build", _once(vars(cls)["build"]))  # noqa: B010 (a type checker sees an assignment to a method)

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, trainable, policy_name(dtype))
        self._input_shape_arg = _input_shape_argument(kwargs)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.autocast = autocast
        self.built = type(self).built_at_init
        self._np_dtype = np.dtype(self.dtype)
        self._warned = False  # that it destroys masks

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        for name in CACHES & state.keys():
            del state[name]
        return {**state, "_np_dtype": self._np_dtype.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Dtypes are compared by identity where it must be quick, and a copy of one is another object.
        vars(self).update(state, _np_dtype=np.dtype(state["_np_dtype"]))

    # Building

    def build(self, *input_shape: Any, **input_shapes: Any) -> None:
        """Make the weights for inputs of this shape, batch included; nothing happens the second time.

        Override it as `build(self, input_shape)`, or with a parameter for each input, `build(self, a_shape, b_shape)` for
        `call(self, a, b)`. Layers without weights of their own leave it alone: it runs `call` on zeros where layers inside have
        still to make theirs.
        """
        shape = _first(input_shape, input_shapes)
        with name_scope(self.name) as self.path:
            if shape is not None and not all(layer.built for layer in self.sublayers()):
                infer(self.call, _spec_of_shape(shape, self.dtype))
        self.built, self.build_shape = True, shape

    def _build_for(self, bound: dict[str, Any]) -> None:
        shapes = {f"{name}_shape": map_structure(_shape, value) for name, value in bound.items() if _has_tensor(value)}
        wanted = [name for name in signature_of(type(self).build).parameters if name in shapes]
        first = map_structure(_shape, next(iter(bound.values()), None))
        if type(self).build is Layer.build:
            self.build()  # and not for the shapes: the layers inside are built as they are called
            self.build_shape = first
        elif len(wanted) > 1:
            self.build(**{name: shapes[name] for name in wanted})
        else:
            self.build(first)

    # Calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer computes, on plain arrays that were checked and cast."""
        raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call()` method implemented.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on arrays, or record a node for symbolic tensors. The arguments are those of `call`.

        `training=True` reaches every layer inside; without it layers run as for inference.

        Raises:
            ShapeError: the input has the wrong rank or size.
            DTypeError: the input is neither numbers nor booleans.
            ValueError: an argument that is no array.
        """
        if len(args) == 1:
            x = args[0]
            kind = type(x)
            if (
                (kind is np.ndarray or kind is MaskedArray)
                and x.ndim == self._fast_ndim
                and x.dtype is self._fast_dtype
                and not in_training()
            ):
                if kind is np.ndarray and not self._makes_masks:
                    if not kwargs:
                        return self.call(x)
                    if kwargs.keys() <= self.direct_arguments:
                        return self.call(x, **kwargs)
                if kwargs.keys() <= ONLY_A_MASK:
                    return self._masked_call(x, **kwargs)
        if "_own_weights" not in vars(self):
            raise RuntimeError(
                f"In layer {type(self).__name__}, you forgot to call `super().__init__()` as the first statement of `__init__()`."
            )
        return self._checked_call(args, kwargs)

    def _masked_call(self, x: Any, mask: Any = None) -> Any:
        """Of an array that needs no other look, though it has a mask or the output will have one."""
        told, plain = mask is not None, x if self.sees_masks else without_mask(x)
        mask = mask if told else get_mask(x)
        takes = mask is not None and "mask" in signature_of(type(self).call).parameters
        if mask is not None and not takes and (told or not (self.supports_masking or self._warned)):
            return self._checked_call((x,), {"mask": mask} if told else {})  # which warns, or raises
        outputs = self.call(plain, mask=mask) if takes else self.call(plain)
        new_mask = self.compute_mask(x, mask) if self.supports_masking else None
        return outputs if new_mask is None else self._with_masks(outputs, new_mask)

    def _checked_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if any(map(dispatch.on_gpu, flatten([args, kwargs]))):
            from numba_rnn.layers.resident import call  # which knows all kinds of layers

            return call(self, args, kwargs)
        takes = signature_of(type(self).call).parameters
        told, training = "training" in kwargs, kwargs.get("training")
        if "training" not in takes:
            kwargs.pop("training", None)
        args = tuple(map_structure(lambda x: as_tensor(x, self), a) for a in args)
        kwargs = {k: map_structure(lambda x: cast(x, self), v) for k, v in kwargs.items()}
        bound = signature_of(type(self).call).bind(*args, **kwargs).arguments
        if isinstance(bound.get("training"), np.ndarray):
            raise TypeError(
                f"`training` of layer '{self.name}' is True, False or None. Received: an array of shape {bound['training'].shape}. "
                "Several inputs are passed as one list, as in `model([a, b])`."
            )
        first_name, first = next(iter(bound.items()), ("inputs", None))  # type: str, Any
        if bound:
            self.check_input(first)
        if not self.built:
            self._build_for(bound)
        tensors = [k for k, v in bound.items() if _has_tensor(v)]
        for name, source in [("mask", first_name)] if tensors == [first_name] else [(f"{k}_mask", k) for k in tensors]:
            if name in takes and bound.get(name) is None:
                mask = map_structure(get_mask, bound[source])
                if any(m is not None for m in flatten(mask)):
                    bound[name] = kwargs[name] = mask
        mask = bound.get("mask")
        if mask is None:
            mask = map_structure(get_mask, first)
        masked = any(m is not None for m in flatten(mask))
        if not told:
            training = in_training()
            if training is None and "training" in takes:
                training = bound.get("training", _default(takes["training"]))
            if training is not None and "training" in takes:
                bound["training"] = training
        with name_scope(self.name), training_scope(training):
            if is_symbolic(bound):
                shapes = {k: v for k, v in bound.items() if k != "training"}  # which changes no shape
                outputs = record(self, args, kwargs, self.compute_output_spec(**shapes))
            else:
                outputs = self.call(**(bound if self.sees_masks else map_structure(without_mask, dict(bound))))
        new_mask = self.compute_mask(first, mask) if self.supports_masking else None
        if any(m is not None for m in flatten(new_mask)):
            outputs = self._with_masks(outputs, new_mask)
        is_array = type(first) in {np.ndarray, MaskedArray}
        if is_array and (first.ndim, first.dtype) != (self._fast_ndim, self._fast_dtype) and self._needs_no_checks:
            # From now on an array of this rank and dtype goes straight to `call`; the rank is what opens the way, so it comes last.
            unasked = self.compute_mask(without_mask(first), None) if self.supports_masking else None
            self._fast_ndim = -1
            self._makes_masks = any(m is not None for m in flatten(unasked))
            self._fast_dtype = np.dtype(first.dtype.name)  # that of plain arrays, which a pickled array's is not
            self._fast_ndim = first.ndim
        if masked and not self.supports_masking and "mask" not in takes and not self._warned:
            self._warned = True
            if not is_reading():
                self._warn_of_lost_mask()
        return outputs

    @property
    def _needs_no_checks(self) -> bool:
        """Whether the only argument of a call, a plain array of the right rank, may go straight to `call`."""
        training = signature_of(type(self).call).parameters.get("training")
        sized = self.checks_sizes or all(one is None or one.is_about_rank for one in flatten(self.input_spec))
        trains_unasked = training is not None and training.default is True
        return self.built and sized and is_ours(type(self).compute_mask) and not trains_unasked

    def _warn_of_lost_mask(self) -> None:
        warnings.warn(
            f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached to it. However, this "
            "layer does not support masking and will therefore destroy the mask information. Downstream layers will not see the "
            "mask.",
            stacklevel=4,
        )

    def add_loss(self, loss: Any) -> None:
        """Add a number, or a list of them, to the loss that `evaluate` computes; for use in `call`."""
        added = added_losses()
        if added is not None:
            added.extend(flatten(loss))

    def check_input(self, inputs: Any) -> None:
        """Hold the first argument against `input_spec`; raises what `check_spec` does, and `ValueError` for None."""
        if self.input_spec is not None:
            check_spec(self.input_spec, inputs, self.name)
        elif inputs is None:
            raise ValueError(
                f"Inputs to a layer should be tensors. Got 'None' (of type {type(None)}) as input for layer '{self.name}'."
            )

    def check_features(self, input_shape: Any, axis: int, size: int) -> None:
        """Raise `ShapeError` where the input's size along `axis` is not the one the layer was built for."""
        if input_shape[axis] is not None and input_shape[axis] != size:
            raise ShapeError(
                f"Layer '{self.name}' was built for inputs of size {size} along axis {axis}. Expected: {size}. Received: "
                f"{input_shape[axis]} (shape {tuple(input_shape)})."
            )

    def _with_masks(self, outputs: Any, masks: Any) -> Any:
        """The outputs, each with its mask unless it has one already; states and the like, at the end, may have none."""
        rest = itertools.chain(flatten(masks), itertools.repeat(None))
        return map_structure(lambda x: _masked(x, next(rest)), outputs)

    def warmup(self) -> None:
        """Compile everything that calls may need, or take it from the disk cache; the layer must be built."""
        for layer in self.sublayers():
            layer.warmup()

    # Shapes and masks

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic result of a call; found by running on zeros unless a layer knows better."""
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            shape = self.compute_output_shape(*(map_structure(_shape, a) for a in args or list(kwargs.values())[:1]))
            return _spec_of_shape(shape, self.compute_dtype)
        return infer(self.call, *args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the result for an input of this shape, batch included, None where unknown."""
        spec = self.compute_output_spec(_spec_of_shape(input_shape, self.dtype))
        return map_structure(_shape, spec)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the result."""
        return mask


def _forget() -> None:
    """In a forked child no other thread is building."""
    global _one_builds  # noqa: PLW0603
    _one_builds = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _once(build: Callable[..., None]) -> Callable[..., None]:
    """A class's `build`, made to run once, under the layer's name, and to leave no weights behind where it fails."""

    @wraps(build)
    def build_once(self: Layer, *args: Any, **kwargs: Any) -> None:
        with _one_builds:
            if self._building:  # a subclass's `build` calls its parent's
                build(self, *args, **kwargs)
                return
            if self.built:
                return
            before = len(self._own_weights)
            self._building = True
            try:
                with name_scope(self.name) as self.path:
                    build(self, *args, **kwargs)
            except BaseException:
                del self._own_weights[before:]
                raise
            finally:
                self._building = False
            self.build_shape, self.build_shapes = _first(args, kwargs), kwargs if len(kwargs) > 1 else {}
            self.built = True

    return build_once


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is inspect.Parameter.empty else parameter.default


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return next(iter([*args, *kwargs.values()]), None)


def _masked(x: Any, mask: Any) -> Any:
    return x if get_mask(x) is not None else set_mask(x, mask)


def _shape(x: Any) -> Any:
    return None if x is None else tuple(x.shape)


def _has_tensor(value: Any) -> bool:
    return any(isinstance(leaf, (np.ndarray, SymbolicTensor)) for leaf in flatten(value))


def _spec_of_shape(shape: Any, dtype: str) -> Any:
    if isinstance(shape, dict):
        return {k: _spec_of_shape(s, dtype) for k, s in shape.items()}
    if all(n is None or isinstance(n, (int, np.integer)) for n in shape):
        return SymbolicTensor(tuple(shape), dtype)
    return [_spec_of_shape(s, dtype) for s in shape]


def _input_shape_argument(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """Keras' old way to give a Sequential model its input shape."""
    shape = kwargs.pop("input_shape", None)
    size = kwargs.pop("input_dim", None)
    if shape is None and size is None:
        return None
    warnings.warn(
        "Do not pass an `input_shape`/`input_dim` argument to a layer. When using Sequential models, prefer using an "
        "`Input(shape)` object as the first layer in the model instead.",
        stacklevel=4,
    )
    return (size,) if shape is None else tuple(shape)
