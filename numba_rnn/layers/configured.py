"""The half of a layer that configs describe: its constructor's arguments as JSON, and layers made from these or from another."""

from __future__ import annotations

from typing import Any, ClassVar

from numba_rnn.config.policies import policy_config
from numba_rnn.custom import is_ours
from numba_rnn.layers.constructor import taken, without_config
from numba_rnn.layers.serialization import decode, deserialize, serialize

__all__ = ["Configured"]


class Configured:
    """Something that Keras' JSON describes."""

    name: str
    dtype: str
    trainable: bool
    activity_regularizer: Any
    _arguments: dict[str, Any] | None

    config_keys: ClassVar[tuple[str, ...]] = ()
    child_keys: ClassVar[tuple[str, ...]] = ()
    config_extras: ClassVar[tuple[str, ...]] = ()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them and Keras writes them.

        A class that does not override this has those that it was made with, as far as they are numbers, texts and the like.

        Raises:
            NotImplementedError: they are something else, so that the class must override this.
        """
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable, "dtype": policy_config(self.dtype)}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        if is_ours(type(self).get_config) and not self.config_keys and not is_ours(type(self)):
            if self._arguments is None:
                raise without_config(self)
            return taken(type(self), {**config, **self._arguments})
        config.update({key: serialize(getattr(self, key)) for key in self.config_keys})
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The object that `get_config` describes."""
        children = {k: config[k] for k in cls.child_keys if config.get(k) is not None}
        made = {k: [deserialize(c) for c in v] if isinstance(v, list) else deserialize(v) for k, v in children.items()}
        return cls(**{k: made.get(k, decode(v)) for k, v in config.items()})

    def clone(self, **changes: Any) -> Any:
        """A new layer with the same options, but for the changes, and weights of its own.

        Raises:
            ValueError: a cell inside is no layer and has no `get_config` and `from_config`.
            NotImplementedError: as `get_config`.
        """
        if not is_ours(type(self)):
            return type(self).from_config({**self.get_config(), **changes})
        options = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        if self.activity_regularizer is not None:
            options["activity_regularizer"] = self.activity_regularizer
        options.update({key: _cloned(getattr(self, key), key in self.child_keys) for key in self.config_keys})
        return type(self)(**{**options, **changes})


def _cloned(option: Any, is_child: bool) -> Any:
    if isinstance(option, list):
        return [_cloned(o, is_child) for o in option]
    if hasattr(option, "clone"):
        return option.clone()  # layers, and initializers, which draw anew
    if not is_child or option is None:
        return option
    if not hasattr(option, "get_config") or not hasattr(option, "from_config"):
        raise ValueError(
            f"{option} cannot be copied, and two layers cannot have one cell. Expected: a `Layer`, or an object with `get_config` "
            "and `from_config`."
        )
    return type(option).from_config(option.get_config())
