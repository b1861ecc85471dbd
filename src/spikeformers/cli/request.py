"""A run asked for in words: `RECIPE path=name --field.path value`, and the configuration that this means."""

import contextlib
import dataclasses
import io
import os
import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeformers.cli.parsing import UsageError, load_plugin
from spikeformers.core.errors import did_you_mean

if TYPE_CHECKING:
    from spikeformers.core.config import Config
    from spikeformers.engine.config import RunConfig

_SWAP = re.compile(r"[A-Za-z_][\w.-]*=[\w.-]*")
_NUMBER = re.compile(r"-(\d|\.\d|inf|nan)")


@dataclasses.dataclass
class Request:
    """What a command line asks for.

    Attributes:
        what: a recipe name, or the path of a configuration or run folder; None where only help was asked for.
        swaps: (dotted path, registered name) in the order given.
        edits: (flag as written, its values) in the order given.
        options: the verb's own flags, without dashes.
    """

    what: str | None = None
    swaps: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    edits: list[tuple[str, list[str]]] = dataclasses.field(default_factory=list)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def read_request(
    verb: str, tokens: Sequence[str], *, switches: Sequence[str] = (), valued: Sequence[str] = ()
) -> Request:
    """Sort the words of a command line.

    Args:
        verb: for messages.
        tokens: the words after the verb.
        switches: the verb's own flags without a value, such as `--resume`.
        valued: the verb's own flags with one.

    Raises:
        UsageError: a word that fits nowhere.
    """
    request, rest = Request(), list(tokens)
    while rest:
        token = rest.pop(0)
        name, equals, value = token.partition("=")
        if token in ("-h", "--help"):
            request.options["help"] = True
        elif name in switches:
            if equals:
                raise UsageError(f"{name} takes no value")
            request.options[name.strip("-")] = True
        elif name in valued:
            if not equals and (not rest or rest[0].startswith("-")):
                raise UsageError(f"{name} needs a value")
            request.options.setdefault(name.strip("-"), []).append(value if equals else rest.pop(0))
        elif token.startswith("--") and len(name) > 2:
            request.edits.append((name, [value] if equals else list(_values(rest))))
        elif _SWAP.fullmatch(token):
            request.swaps.append((name.replace("-", "_"), value))
        elif request.what is None and not request.edits and not token.startswith("-"):
            request.what = token
        elif request.what is None:
            raise UsageError(
                f"say first what to {verb}: `spikeformers {verb} RECIPE_OR_CONFIG [path=name] [--field value]`"
            )
        else:
            raise UsageError(
                f"{token!r} fits nowhere; swap a component with path=name, set a field with --path.field value"
            )
    for module in request.options.get("plugin", ()):
        load_plugin(module)
    return request


def _values(rest: list[str]) -> Iterator[str]:
    """Take the words that belong to a flag: up to the next flag or swap."""
    while rest and not _SWAP.fullmatch(rest[0]) and (not rest[0].startswith("-") or _NUMBER.match(rest[0])):
        yield rest.pop(0)


def read_config(request: Request) -> "RunConfig":
    """The configuration that a request means.

    Raises:
        UsageError: an unknown flag, or a value that does not fit its field.
        ConfigError: an unknown recipe, component or key, or a value that its component refuses.
    """
    from spikeformers.core.config import deferred_checks

    base = load_base(request.what or "")
    with deferred_checks():  # a component may fit only with a field that a flag sets
        config = _edited(_swapped(base, request.swaps), base, request)
    return config.validate()


def _swapped(config: "RunConfig", swaps: Sequence[tuple[str, str]]) -> "RunConfig":
    for path, name in swaps:
        if not name:
            raise UsageError(f"{path}= needs the name of a component after the equals sign")
        if not isinstance(_field(config, path.split(".")), str):
            flag = path.replace("_", "-")
            raise UsageError(f"{path} is a plain value, not a component; set it with --{flag} {name}")
        config = config.swap(path, name)
    return config


def load_base(what: str) -> "RunConfig":
    """The configuration behind a recipe name, a YAML file or a run folder.

    Raises:
        UsageError: a path that leads nowhere.
        ConfigError: an unknown recipe, or a file that is not a valid configuration.
    """
    from spikeformers.engine.config import RunConfig
    from spikeformers.recipes import RECIPES

    path = Path(what)
    if path.suffix in (".yaml", ".yml") or os.sep in what or (what not in RECIPES and path.is_dir()):
        path = path / "config.yaml" if path.is_dir() else path
        if not path.exists():
            raise UsageError(f"there is no configuration {path}" + _near(path))
        return RunConfig.from_yaml(path)
    if what not in RECIPES:
        _refuse_model(what)
    return RECIPES.config(what)


def _refuse_model(what: str) -> None:
    """Raises UsageError where the name asked for is a model's, with what to do with it."""
    from spikeformers.models.base import MODELS

    if what in MODELS:
        raise UsageError(
            f"{what!r} is a model, not a recipe; `spikeformers list models {what}` tells of it, "
            f"`spikeformers train RECIPE model={what}` trains it (recipes: `spikeformers list recipes`)"
        )


def _near(path: Path) -> str:
    """The nearest existing configuration or run folder beside `path`, where there is one."""
    folder = path.parent if path.suffix in (".yaml", ".yml") and path.parent.is_dir() else path.parent.parent
    if not folder.is_dir():
        return ""
    found = [p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml") or (p / "config.yaml").exists()]
    missing = path.name if folder == path.parent else path.parent.name
    return did_you_mean(missing, found) if found else ""


def _edited(config: "RunConfig", base: "RunConfig", request: Request) -> "RunConfig":
    args: list[str] = []
    for flag, values in request.edits:
        annotation = _annotation(config, base, request.swaps, flag)
        if not values and annotation is not bool:
            raise UsageError(f"{flag} needs a value")
        args += _spelled(flag, values, annotation)
    if not args:
        return config
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(type(config), default=config, args=args, config=(tyro.conf.AvoidSubcommands,))
    except SystemExit:
        raise UsageError(_complaint(said.getvalue(), request.edits)) from None


def _annotation(config: "RunConfig", base: "RunConfig", swaps: Sequence[tuple[str, str]], flag: str) -> Any:
    """The type of the field behind a flag; refuses flags of fields that do not exist."""
    path = flag[2:].replace("-", "_").split(".")
    found = _field(config, path)
    if not isinstance(found, str):
        return found
    gone = ""
    if not isinstance(_field(base, path), str):
        swap = next((f"{p}={n}" for p, n in reversed(swaps) if ".".join(path).startswith(f"{p}.")), None)
        gone = f" (the component it belonged to was replaced by {swap})" if swap else ""
    raise UsageError(f"unknown flag {flag}{gone}: {found}")


def _field(config: "Config", path: Sequence[str]) -> Any:
    """The annotation of the field at `path`, or what is wrong with the path, as text."""
    from spikeformers.core.config import Config, describe

    here: Any = config
    for depth, name in enumerate(path):
        where = ".".join(path[:depth])
        if not isinstance(here, Config):
            if here is None:
                return f"{where} is none and has no fields; choose one first with {where}=NAME"
            return f"{where} is a plain value, {here!r}, and has no fields"
        hints = here.field_types()
        if name not in hints and depth == len(path) - 1 and name.startswith("no_") and hints.get(name[3:]) is bool:
            return bool
        if name not in hints:
            plain = [n.replace("_", "-") for n in hints]
            dashed = name.replace("_", "-")
            owner = "a run" if depth == 0 else describe(type(here))
            return f"{owner} has no field {dashed!r}" + did_you_mean(dashed, plain)
        here, annotation = getattr(here, name), hints[name]
    wanted = (annotation, *typing.get_args(annotation))
    if isinstance(here, Config) or (
        here is None and any(isinstance(t, type) and issubclass(t, Config) for t in wanted)
    ):
        return f"{'.'.join(path)} is a component; swap it with {'.'.join(path)}=NAME, or set one of its fields"
    return annotation


def _spelled(flag: str, values: list[str], annotation: Any) -> list[str]:
    """The words for tyro: switches may have a value (`--x true`), and none may be written in any case."""
    if annotation is bool and len(values) == 1:
        if values[0].lower() not in ("true", "false"):
            raise UsageError(f"{flag} takes true or false, not {values[0]!r}")
        head, dot, name = flag[2:].rpartition(".")
        wanted = values[0].lower() == "true"
        return [flag if wanted else f"--{head}{dot}no-{name}"]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType) and type(None) in typing.get_args(annotation):
        values = ["None" if v.lower() in ("none", "null") else v for v in values]
    return [flag, *values]


def _complaint(box: str, edits: Sequence[tuple[str, list[str]]]) -> str:
    """The sentence inside tyro's error box; of a value that has the wrong type, the flag, its type and the value."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        inside = line.strip("│ ")
        if inside and set(inside) <= set("─-"):
            parts.append([])
        elif line[:1] not in "╭╰":
            parts[-1].append(inside)
    if "╭" not in box:  # where the output takes no lines, the title stands in the first part, else in the border
        parts = parts[1:]
    sentence = " ".join(parts[0]).removeprefix("Error parsing ")
    if len(parts) > 1 and parts[1] and parts[1][0].startswith("Argument helptext"):
        usage = parts[1][1]
        flag, _, kind = usage.partition(" ")
        given = next((" ".join(v) for f, v in edits if f.replace("_", "-") == flag), "")
        return f"{flag} takes {kind}, not {given!r}"
    extra = sentence.removeprefix("Unrecognized options: ")
    return sentence if extra == sentence else f"{extra!r} fits nowhere; one of the flags before it takes fewer values"


def print_fields(verb: str, request: Request) -> None:
    """Every flag of the configuration that a request means, with its default and what it does."""
    import tyro

    config = read_config(dataclasses.replace(request, edits=[]))
    with contextlib.suppress(SystemExit):
        tyro.cli(
            type(config),
            default=config,
            args=["--help"],
            prog=f"spikeformers {verb} {request.what}",
            description="Every field of this run; components are swapped with path=name.",
            config=(tyro.conf.AvoidSubcommands,),
        )
