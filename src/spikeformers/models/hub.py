"""Models by name, and weights into them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spikeformers.core.errors import CheckpointError, SpikeformersError
from spikeformers.core.log import get_logger
from spikeformers.layers.checks import height_width
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel, load_strictly
from spikeformers.models.masked_autoencoder import ENCODER, autoencoder_rules
from spikeformers.models.official import OfficialArgs, Shapes
from spikeformers.weights.io import read_state_dict
from spikeformers.weights.resize import Resize, keep
from spikeformers.weights.rules import grouped

_log = get_logger(__name__)


def create_model(name: str, **overrides: Any) -> SpikingModel:
    """Build a model by its registered name.

    Args:
        name: a family or a variant; see `list_models`.
        overrides: config fields to change; a neuron may be given by name or as a config.

    Raises:
        ConfigError: unknown name or field, or a combination that cannot be built.
    """
    return MODELS.config(name).but(**overrides).build()


def list_models(pattern: str = "*") -> list[str]:
    """Names of the registered models and variants that match a shell-style pattern, sorted."""
    return MODELS.names(pattern)


def load_weights(model: SpikingModel, path: str | Path, *, reset_head: bool = False) -> SpikingModel:
    """Load a checkpoint file into a model: one of ours, or an official one of its family.

    Wrappers (`model`, `state_dict`, EMA, DDP and compile prefixes) are taken off; which layout it is, is seen from its
    names. A checkpoint of the same model for another `img_size` is fitted by interpolation, and the logger says so.

    Args:
        model: built with the config that the checkpoint was trained with, but for img_size, and num_classes with `reset_head`.
        path: safetensors or a pickle of tensors.
        reset_head: keep the model's own classification head, for another task; the logger says what was kept.

    Returns:
        The same model.

    Raises:
        CheckpointError: the file cannot be read or does not fit; leftovers on both sides are listed by prefix.
    """
    tensors, left = _ours(model, read_state_dict(path), str(path))
    _load(model, tensors, left, str(path), reset_head=reset_head)
    return model


def start_from(model: SpikingModel, path: str | Path) -> str:
    """Load what a file has for a model into it, whatever the file was trained for: other classes, or drawing hidden patches.

    The head stays the model's own unless the file has one of the same shape; so do tensors that pre-training does not
    have (`added_later` of the model). Everything else must fit.

    Args:
        model: to be trained further.
        path: as in `load_weights`; files of a masked autoencoder of this model, ours or official, fit as well.

    Returns:
        One sentence that names what stayed the model's own and what of the file was left out.

    Raises:
        CheckpointError: as `load_weights`.
    """
    tensors, left = _ours(model, read_state_dict(path), str(path))
    own = model.state_dict()
    fits = all(name in tensors and tensors[name].shape == own[name].shape for name in _head(model))
    kept = _load(model, tensors, left, str(path), reset_head=not fits)
    parts = [f"started from {path}"]
    parts += [f"the model's own: {grouped(kept, 1)}"] if kept else []
    return "; ".join([*parts, *([f"left out of the file: {grouped(left, 1)}"] if left else [])])


def _ours(model: SpikingModel, tensors: Mapping[str, Tensor], path: str) -> tuple[dict[str, Tensor], list[str]]:
    """A file's tensors under our names of the model, and the names of those that belong to a decoder around it."""
    own = model.state_dict()
    # No module path holds a slash: such names are of what stands before the model in a run.
    tensors = {name: value for name, value in tensors.items() if "/" not in name}
    known_here = len(set(own) & set(tensors)) * 2 >= min(len(own), len(tensors))
    if not known_here and not any(name.startswith(ENCODER) for name in tensors):
        rules = autoencoder_rules if "decoder_embed.weight" in tensors else type(model.config).official_rules
        try:
            tensors = rules(model.config).to_ours(tensors)
        except CheckpointError as error:
            known = [f"the official {family!r}" for family in _official_families(tensors)]
            known += [f"our {family!r}" for family in _our_families(tensors)]
            hint = f"; its names are those of {' or '.join(known)}" if known else ""
            raise CheckpointError(
                f"{path} fits neither our names nor the official ones of {model.config.family!r}: {error}{hint}"
            ) from None
    inside = {name.removeprefix(ENCODER): value for name, value in tensors.items() if name.startswith(ENCODER)}
    return (inside, [name for name in tensors if not name.startswith(ENCODER)]) if inside else (dict(tensors), [])


def _load(
    model: SpikingModel, tensors: Mapping[str, Tensor], left: Sequence[str], path: str, *, reset_head: bool
) -> list[str]:
    """Load a file's tensors; the names of those that stayed the model's own."""
    own = model.state_dict()
    if left and not reset_head:
        raise CheckpointError(
            f"{path} is of a masked autoencoder, which has no head; pass reset_head=True to keep the model's own"
        )
    kept = set(_by_classes(model.config)) if reset_head else set()
    if left:
        later = {name for name in own if any(fnmatchcase(name, glob) for glob in model.added_later)}
        kept |= {*_head(model), *later} - set(tensors)
    if kept:
        tensors = {**tensors, **{name: own[name] for name in kept}}
        _log.info("%s: kept the model's own %s", path, ", ".join(sorted(kept)))
    _refuse_other_classes(model.config, tensors, own, path)
    if _misfits(tensors, own):
        tensors = _resized(model.config, tensors, own, path)
    try:
        load_strictly(model, tensors)
    except CheckpointError as error:
        raise CheckpointError(
            f"{path} does not fit {model.config.family}: {error}{_advice(model.config, tensors)}"
        ) from None
    return sorted(kept)


def _head(model: SpikingModel) -> set[str]:
    """Names of the tensors that stand behind a model's features."""
    return {name for name in model.state_dict() if name.split(".")[0] in model.readout_parts}


def _advice(config: ModelConfig, tensors: Mapping[str, Tensor]) -> str:
    """The field, or else the fields, with which a config has the shapes of these tensors, where that can be told."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    # What shapes do not tell is taken to be as in the config.
    args = OfficialArgs(config.family, {"img_size": config.img_size, "num_heads": getattr(config, "heads", 1)})
    try:
        official = config.official_rules().to_official(tensors)
        told = type(config).from_official(Shapes({n: t.shape for n, t in official.items()}), args)
    except SpikeformersError:
        return ""
    changes = {n: getattr(told, n) for n in type(config).field_types() if getattr(told, n) != getattr(config, n)}
    for names in [*([name] for name in changes), list(changes)]:
        try:
            if _shapes(config.but(**{name: changes[name] for name in names})) == shapes:
                theirs, own = (", ".join(f"{n}={getattr(c, n)}" for n in names) for c in (told, config))
                return f"; its sizes are those of {theirs}, the model's of {own}"
        except SpikeformersError:
            continue  # does not go with the other fields
    return ""


def _refuse_other_classes(
    config: ModelConfig, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str
) -> None:
    for name, axis in _by_classes(config).items():
        there = tensors.get(name, own[name]).shape
        if len(there) <= axis or there[axis] == own[name].shape[axis]:
            continue
        raise CheckpointError(
            f"{path} was trained for other classes than num_classes={config.num_classes}: {name} has shape "
            f"{tuple(there)}, the model's {tuple(own[name].shape)}; build the model with the checkpoint's "
            "num_classes, or pass reset_head=True to keep the model's own head"
        )


def _official_families(tensors: Mapping[str, Tensor]) -> list[str]:
    """Families in whose official layout every one of these names has its place."""
    shapes, found = Shapes({name: tensor.shape for name, tensor in tensors.items()}), []
    for family in MODELS.families():
        try:
            config = MODELS.entry(family).cls.from_official(shapes, OfficialArgs(family, {}))
            config.official_rules().to_ours(tensors)
        except SpikeformersError:
            continue
        found.append(family)
    return found


def _our_families(tensors: Mapping[str, Tensor]) -> list[str]:
    """Families whose tiny model has the very names of these tensors, but for how many blocks there are."""

    def kinds(names: Iterable[str]) -> set[str]:
        return {re.sub(r"\.\d+\.", ".#.", name) for name in names}

    wanted = kinds(tensors)
    return [f for f in MODELS.families() if kinds(_shapes(MODELS.config(f"{f}_tiny"))) == wanted]


def _shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """Names and shapes of a config's tensors, without allocating them."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in config.build().state_dict().items()}


def _misfits(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> set[str]:
    """Names on one side only, or with another shape."""
    both = set(tensors) & set(own)
    return (set(tensors) ^ set(own)) | {name for name in both if tensors[name].shape != own[name].shape}


def _by_classes(config: ModelConfig) -> dict[str, int]:
    """Names of the tensors whose shape follows `num_classes`, each with the first axis that does."""
    here, there = _shapes(config), _shapes(config.but(num_classes=config.num_classes + 1))
    return {
        name: next(axis for axis, size in enumerate(shape) if there[name][axis] != size)
        for name, shape in here.items()
        if there[name] != shape
    }


def _resized(
    config: ModelConfig, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str
) -> dict[str, Tensor]:
    """The file's tensors fitted to the model's image size, if nothing else differs; else as they are."""

    def how(name: str) -> Resize | None:
        return next((resize for glob, resize in config.positional().items() if fnmatchcase(name, glob)), None)

    misfits = _misfits(tensors, own)
    if not all(how(name) for name in misfits):
        return dict(tensors)
    size = _trained_size(config, tensors)
    if size is None:
        return dict(tensors)
    _log.info(
        "%s was trained at img_size=%s; fitted to %s: %s", path, size, config.img_size, ", ".join(sorted(misfits))
    )
    fitted = {}
    for name, value in own.items():
        resize = how(name) if name in misfits else None
        if resize is None:
            fitted[name] = tensors[name]
        else:
            old, new = height_width(size), config.image
            fitted[name] = value if resize is keep else resize(tensors[name], value.shape, old, new)
    return fitted


def _trained_size(config: ModelConfig, tensors: Mapping[str, Tensor]) -> int | tuple[int, int] | None:
    """The nearest img_size, of the same proportions or square, at which this config has the very tensors of the file."""
    height, width = config.image
    found = [
        (h * p // q, w * p // q)
        for h, w in {(height, width), (height, height), (width, width)}
        for p in range(1, 9)
        for q in range(1, 9)
        if h * p % q == 0 and w * p % q == 0
    ]
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    for h, w in sorted(set(found) - {config.image}, key=lambda at: (abs(at[0] - height) + abs(at[1] - width), at)):
        size = h if h == w else (h, w)
        try:
            if _shapes(config.but(img_size=size)) == shapes:
                return size
        except SpikeformersError:
            continue  # the family refuses this size
    return None


def count_parameters(name: str) -> int:
    """Trainable parameters of a registered model, without allocating it."""
    with torch.device("meta"):
        model = create_model(name)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def export_official(model: SpikingModel) -> dict[str, Tensor]:
    """The weights under their official names and shapes, without what the official model never uses.

    Raises:
        CheckpointError: the family has no official layout.
    """
    return model.config.official_rules().to_official(model.state_dict())
