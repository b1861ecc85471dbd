"""What an official checkpoint tells of its model: tensor shapes, and the arguments its constructor got."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from spikeformers.core.errors import CheckpointError, ConfigError, did_you_mean

_SHORT = {
    "ch": "chunk_size",
    "d": "depths",
    "depth": "depths",
    "dim": "embed_dims",
    "dvs": "dvs_mode",
    "embed_dim": "embed_dims",
    "event_size": "img_size",
    "h": "num_heads",
    "heads": "num_heads",
    "ic": "in_channels",
    "im": "img_size",
    "image_size": "img_size",
    "in_chans": "in_channels",
    "mlp_ratio": "mlp_ratios",
    "nc": "num_classes",
    "ps": "pooling_stat",
    "ratios": "mlp_ratios",
    "step": "T",
}
"""Other spellings of the same arguments, in official code and in files of golden outputs."""

_TOLD = ("patch_size", "embed_dims", "depths", "mlp_ratios")
"""Sizes that tensor shapes tell, or that nothing in the official code reads."""

_WITHOUT_EFFECT = (
    "sr_ratios",
    "qkv_bias",
    "qk_scale",
    "drop_rate",
    "attn_drop_rate",
    "drop_path_rate",
    "norm_layer",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "no_weight_decay",
)
"""Arguments that most official constructors carry along and that change no output in eval."""


class Shapes(dict[str, torch.Size]):
    """Names of an official state dict → shapes; a name that it lacks tells that it is of another family."""

    def __missing__(self, name: str) -> torch.Size:
        raise CheckpointError(f"the state dict has no tensor {name!r}, so it is not of this family's official layout")


class OfficialArgs:
    """The arguments of an official constructor, each to be taken exactly once.

    Args:
        family: for messages.
        given: what the caller passed.
        parity: reproduce the official code's defects.
        tensors: the official state dict, for the constants that some layouts keep in it.
    """

    def __init__(
        self,
        family: str,
        given: Mapping[str, Any],
        parity: bool = False,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.family = family
        self.parity = parity
        self._given = {_SHORT.get(name, name): value for name, value in given.items()}
        self._known = {"num_classes", "in_channels"}
        self._tensors = tensors or {}
        self.ignore(*_TOLD, *_WITHOUT_EFFECT)

    def constant(self, name: str, default: float) -> float:
        """A scalar that the official state dict keeps under `name`, or the default where it has none."""
        return float(self._tensors[name]) if name in self._tensors else default

    def take(self, name: str, default: Any = None, *aliases: str) -> Any:
        """The value of an argument under its name or one of its aliases, or the default."""
        self._known.update((name, *aliases))
        for alias in (name, *aliases):
            if alias in self._given:
                default = self._given.pop(alias)
        return default

    def ignore(self, *names: str) -> None:
        """Arguments that the official code accepts and that change nothing in it, or that the shapes already tell."""
        self._known.update(names)
        for name in names:
            self._given.pop(name, None)

    def heads(self, default: int) -> int:
        """The number of heads; official code that takes one per stage must give the same for all.

        Raises:
            ConfigError: they differ.
        """
        given = self.take("num_heads", default)
        counts = set(given) if isinstance(given, Sequence) else {given}
        if len(counts) != 1:
            raise ConfigError(f"num_heads={given} of {self.family} must be one number for the whole model")
        return int(counts.pop())

    def image(self, *, default: int) -> int | tuple[int, int]:
        """The image size, from one argument or from two; one of two that is missing equals the other, or the default."""
        whole = self.take("img_size")
        if isinstance(whole, Sequence):
            found: tuple[Any, ...] = tuple(whole)
            self.ignore("img_size_h", "img_size_w")
        else:
            found = self.take("img_size_h", whole), self.take("img_size_w", whole)
        h, w = (next((int(s) for s in (side, *found) if s is not None), default) for side in found)
        return h if h == w else (h, w)

    def done(self, **told: int) -> None:
        """Refuse what is left.

        Args:
            told: sizes that the shapes told, under the names that official constructors have for them.

        Raises:
            ConfigError: an argument that the official constructor does not have, or that contradicts the shapes.
        """
        for name, value in told.items():
            if self._given.pop(name, value) != value:
                raise ConfigError(f"{name} contradicts the state dict of this {self.family}, whose shapes say {value}")
        for name in self._given.keys() - self._known:
            raise ConfigError(f"the official {self.family} has no argument {name!r}" + did_you_mean(name, self._known))


def count_blocks(shapes: Mapping[str, Any], prefix: str) -> int:
    """How many numbered parts `prefix.0`, `prefix.1`, … a state dict has."""
    dotted = prefix + "."
    return len({name[len(dotted) :].split(".")[0] for name in shapes if name.startswith(dotted)})
