"""Typed configurations: frozen dataclasses that can be changed, swapped by name, saved and read back strictly.

In plain form (YAML, JSON) a component that is chosen by name carries its registered name under `family`:

    neuron: {family: lif, tau: 2.0, surrogate: {family: atan, alpha: 2.0}}
"""

import contextlib
import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar, Self

import cattrs
import yaml
from cattrs.errors import AttributeValidationNote, BaseValidationError, IterableValidationNote

from spikeformers.core.errors import ConfigError, did_you_mean
from spikeformers.core.registry import Registry

FAMILY = "family"
_INDEXED = re.compile(r"\[\d+\][:.\[]")
"""A fault of an item of a list, such as `[0]: 'a' is not a valid int`."""


_deferred = ContextVar("deferred", default=False)


@contextlib.contextmanager
def deferred_checks() -> Iterator[None]:
    """Configs built inside are not checked, so that changes which fit only together can be made one by one.

    What is taken out must be checked with `validate`.
    """
    token = _deferred.set(True)
    try:
        yield
    finally:
        _deferred.reset(token)


def _unless_deferred(check: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(check)
    def run(config: Any) -> None:
        if not _deferred.get():
            check(config)

    return run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Base of every configuration.

    An abstract config (one whose subclasses are chosen by name) sets `registry`; final configs are registered in it
    and are not subclassed.
    """

    registry: ClassVar[Registry[Any] | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check = cls.__dict__.get("__post_init__")
        if check is not None:
            cls.__post_init__ = _unless_deferred(check)  # type: ignore[attr-defined]

    def validate(self) -> Self:
        """This config, after its components' checks and its own.

        Raises:
            ConfigError: what a check refuses.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for component in value if isinstance(value, tuple) else (value,):
                if isinstance(component, Config):
                    component.validate()
        if hasattr(self, "__post_init__"):
            self.__post_init__()
        return self

    @classmethod
    def field_types(cls) -> dict[str, Any]:
        """Field name → resolved type annotation."""
        hints = typing.get_type_hints(cls)
        return {f.name: hints[f.name] for f in dataclasses.fields(cls)}

    @property
    def family(self) -> str:
        """Registered family name of this config.

        Raises:
            ConfigError: the class is not registered.
        """
        if self.registry is None:
            raise ConfigError(f"{type(self).__name__} is not chosen by name and has no family")
        return self.registry.family_of(self)

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed. A registered name may stand for a component: `cfg.but(neuron="plif")`.

        Raises:
            ConfigError: a field does not exist or a value has the wrong type.
        """
        hints = self.field_types()
        for name, value in changes.items():
            if name not in hints:
                raise ConfigError(f"{describe(type(self))} has no field {name!r}" + did_you_mean(name, hints))
            changes[name] = coerce(hints[name], value, name)
        return dataclasses.replace(self, **changes)

    def swap(self, path: str, name: str) -> Self:
        """A copy in which the component at dotted `path` is the one registered as `name`, with its defaults.

        Raises:
            ConfigError: the path or the name does not exist, or what stands there is not chosen by name.
        """
        head, _, rest = path.partition(".")
        hints = self.field_types()
        if head not in hints:
            raise ConfigError(f"{describe(type(self))} has no component {head!r}" + did_you_mean(head, hints))
        current = getattr(self, head)
        if rest:
            if not isinstance(current, Config):
                raise ConfigError(f"{head!r} is {current!r}, not a component, so {path!r} leads nowhere")
            return dataclasses.replace(self, **{head: current.swap(rest, name)})
        registry = _registry_in(hints[head])
        if registry is None:
            raise ConfigError(
                f"{head!r} is a plain value, not a component; set it with the flag --{head.replace('_', '-')}"
            )
        if name.lower() == "none" and type(None) in typing.get_args(hints[head]):
            return dataclasses.replace(self, **{head: None})
        return dataclasses.replace(self, **{head: registry.config(name)})

    def to_dict(self) -> dict[str, Any]:
        """Plain form: only dicts, lists, strings, numbers, booleans and None."""
        out: dict[str, Any] = {FAMILY: self.family} if self.registry is not None else {}
        for field in dataclasses.fields(self):
            out[field.name] = _plain(getattr(self, field.name))
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "config") -> Self:
        """Read the plain form back, strictly: every field must exist and have its type.

        Args:
            data: what `to_dict` gave, or part of it (what is missing takes its default).
            where: what to call the data in messages, such as a file name.

        Raises:
            ConfigError: lists every fault with its path and the nearest valid name.
        """
        try:
            return _converter().structure(data, cls)
        except (BaseValidationError, ConfigError) as error:
            faults = list(_faults(error, ""))
            raise ConfigError(f"{where}: " + "; ".join(faults)) from None

    def to_yaml(self) -> str:
        """YAML text of the plain form, fields in their declared order."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a YAML file that `to_yaml` wrote (or a person, in the same form).

        Raises:
            ConfigError: the file is missing, not YAML, or has a wrong key or value.
        """
        path = Path(path)
        try:
            data = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
        if not isinstance(data, dict):
            raise ConfigError(f"{path} holds {type(data).__name__}, not a mapping of fields to values")
        return cls.from_dict(data, where=str(path))


def describe(cls: type) -> str:
    """A config class in a user's words: its family and kind where it has them."""
    registry = getattr(cls, "registry", None)
    if registry is not None:
        for entry in registry:
            if entry.cls is cls:
                return f"{registry.kind} {entry.family!r}"
    return cls.__name__


def coerce(annotation: Any, value: Any, name: str) -> Any:
    """Turn a value given in Python into what a field of type `annotation` holds; registered names become configs.

    Raises:
        ConfigError: the value does not fit the annotation.
    """
    registry = _registry_in(annotation)
    if registry is not None and isinstance(value, str):
        return registry.config(value)
    if isinstance(value, Config):
        wanted = [t for t in (typing.get_args(annotation) or (annotation,)) if isinstance(t, type)]
        if not isinstance(value, tuple(wanted)):
            raise ConfigError(f"{name} is a {describe(type(value))}, but {_shown(annotation)} is wanted here")
        return value
    try:
        return _converter().structure(value, annotation)
    except (BaseValidationError, ConfigError) as error:
        raise ConfigError("; ".join(_faults(error, name))) from None


def _registry_in(annotation: Any) -> Registry[Any] | None:
    for candidate in (annotation, *typing.get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Config) and "registry" in vars(candidate):
            return candidate.registry
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _shown(annotation: Any) -> str:
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _exactly(kind: type, *also: type) -> Any:
    def structure(value: Any, _: Any) -> Any:
        accepted = (kind, *also)
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{value!r} is not a valid {kind.__name__}")
        return kind(value)

    return structure


def _structure_union(value: Any, annotation: Any) -> Any:
    members = typing.get_args(annotation)
    if value is None and type(None) in members:
        return None
    kept: list[str] = []
    for member in members:
        if member is type(None):
            continue
        try:
            return _converter().structure(value, member)
        except (BaseValidationError, ConfigError) as error:
            if isinstance(value, Mapping) and isinstance(member, type) and issubclass(member, Config):
                raise
            kept.extend(_faults(error, ""))
    raise ConfigError(f"{value!r} is not a valid {_shown(annotation)}")


def _structure_tuple(value: Any, annotation: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{value!r} is not a list of values")
    members = typing.get_args(annotation)
    if members[-1] is Ellipsis:
        members = members[:1] * len(value)
    if len(value) != len(members):
        raise ConfigError(f"{value!r} has {len(value)} values, but {len(members)} are wanted")
    out: list[Any] = []
    faults: list[str] = []
    for index, (item, member) in enumerate(zip(value, members, strict=True)):
        try:
            out.append(_converter().structure(item, member))
        except (BaseValidationError, ConfigError) as error:
            faults.extend(_faults(error, f"[{index}]"))
    if faults:
        raise _Faults(faults)
    return tuple(out)


def _structure_literal(value: Any, annotation: Any) -> Any:
    allowed = typing.get_args(annotation)
    if value not in allowed or isinstance(value, bool) != any(isinstance(a, bool) and a == value for a in allowed):
        raise ConfigError(f"{value!r} is not one of the choices" + did_you_mean(str(value), map(str, allowed)))
    return value


def _structure_config(value: Any, cls: type[Config]) -> Config:
    if isinstance(value, cls):
        return value
    registry = cls.registry
    if registry is not None:
        if isinstance(value, str):
            return registry.config(value)
        if not isinstance(value, Mapping):
            raise ConfigError(f"{value!r} is neither the name nor the fields of a {registry.kind}")
        fields = dict(value)
        name = fields.pop(FAMILY, None)
        if name is None:
            if "registry" in vars(cls):
                raise ConfigError(f"a {registry.kind} needs the key {FAMILY!r} that says which one it is")
            return _build(cls, fields)
        base = registry.config(str(name))
        if not isinstance(base, cls):
            raise ConfigError(f"{registry.kind} {name!r} cannot stand here")
        return _build(type(base), {**{k: getattr(base, k) for k in registry.entry(str(name)).changes}, **fields})
    if not isinstance(value, Mapping):
        raise ConfigError(f"{value!r} is not a mapping of the fields of {cls.__name__}")
    return _build(cls, value)


def _build(cls: type[Config], fields: Mapping[str, Any]) -> Config:
    hints = cls.field_types()
    faults: list[str] = []
    values: dict[str, Any] = {}
    for key, value in fields.items():
        if key not in hints:
            faults.append(f"{describe(cls)} has no field {key!r}" + did_you_mean(str(key), hints))
            continue
        try:
            values[key] = _converter().structure(value, hints[key])
        except (BaseValidationError, ConfigError) as error:
            faults.extend(_faults(error, str(key)))
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in fields:
            faults.append(f"{describe(cls)} needs the field {field.name!r}")
    if faults:
        raise _Faults(faults)
    return cls(**values)


class _Faults(ConfigError):
    """Several faults of one mapping, each with the path below it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def _faults(error: BaseException, path: str) -> typing.Iterator[str]:
    if isinstance(error, _Faults):
        for fault in error.faults:
            yield _join(path, fault)
    elif isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            note = next(
                (
                    n
                    for n in getattr(inner, "__notes__", [])
                    if isinstance(n, IterableValidationNote | AttributeValidationNote)
                ),
                None,
            )
            step = "" if note is None else f"[{note.index}]" if isinstance(note, IterableValidationNote) else note.name
            yield from _faults(inner, f"{path}{step}")
    else:
        yield _join(path, str(error))


def _join(path: str, fault: str) -> str:
    if not path:
        return fault
    if _INDEXED.match(fault):
        return f"{path}{fault}"
    head, colon, rest = fault.partition(": ")
    if colon and " " not in head:
        return f"{path}.{head}: {rest}"
    return f"{path}: {fault}"


_shared: cattrs.Converter | None = None


def _converter() -> cattrs.Converter:
    global _shared
    if _shared is None:
        converter = cattrs.Converter(detailed_validation=True)
        for kind, also in ((bool, ()), (int, ()), (float, (int,)), (str, ())):
            converter.register_structure_hook(kind, _exactly(kind, *also))
        converter.register_structure_hook_func(
            lambda t: typing.get_origin(t) in (typing.Union, types.UnionType), _structure_union
        )
        converter.register_structure_hook_func(lambda t: typing.get_origin(t) is typing.Literal, _structure_literal)
        converter.register_structure_hook_func(lambda t: typing.get_origin(t) is tuple, _structure_tuple)
        converter.register_structure_hook_func(
            lambda t: isinstance(t, type) and issubclass(t, Config), _structure_config
        )
        _shared = converter
    return _shared
