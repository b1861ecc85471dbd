"""Rules from official parameter names to ours, declared once and read in both directions.

A rule is a pair of templates: `Rule("block.{i}.attn.q_bn.{p}", "blocks.{i}.attention.q.unit.norm.{p}")`. A placeholder
stands for one dot-free piece and must occur on both sides.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from spikeformers.core.errors import CheckpointError

_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Rule:
    """One official name pattern and ours.

    Attributes:
        official: template of the official name.
        ours: template of our name; None for tensors that the official model registers and never uses.
        trailing: trailing axes of size 1 that the official tensor has and ours has not (1×1 convolutions), for
            tensors named `weight`, and for any other where the rule names one tensor without `{p}`.
    """

    official: str
    ours: str | None
    trailing: int = 0

    def reshapes(self, name: str) -> bool:
        """Whether `trailing` concerns the tensor of this name."""
        return self.trailing > 0 and (name.endswith("weight") or "{p}" not in self.official)

    def forward(self, name: str) -> str | None:
        """Our name for an official one; raises KeyError where the rule does not apply."""
        return _translate(self.official, self.ours, name)

    def backward(self, name: str) -> str | None:
        """The official name for one of ours; raises KeyError where the rule does not apply."""
        if self.ours is None:
            raise KeyError(name)
        return _translate(self.ours, self.official, name)


def _translate(source: str, target: str | None, name: str) -> str | None:
    match = _pattern(source).fullmatch(name)
    if match is None:
        raise KeyError(name)
    return None if target is None else _PLACE.sub(lambda place: match[place[1]], target)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    seen: set[str] = set()
    out, end = [], 0
    for place in _PLACE.finditer(template):
        out.append(re.escape(template[end : place.start()]))
        out.append(f"(?P={place[1]})" if place[1] in seen else f"(?P<{place[1]}>[^.]+)")
        seen.add(place[1])
        end = place.end()
    return re.compile("".join([*out, re.escape(template[end:])]))


class Rules:
    """An ordered list of rules; the first that applies wins. Names that no rule covers are leftovers."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        # What a name must start with for a rule to apply, so that most rules need not be tried.
        self._official = [(rule.official.partition("{")[0], rule) for rule in self.rules]
        self._ours = [(rule.ours.partition("{")[0], rule) for rule in self.rules if rule.ours is not None]

    def to_ours(self, official: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename and reshape an official state dict.

        Raises:
            CheckpointError: names that no rule covers, grouped by prefix, or two that fall together.
        """
        out: dict[str, Tensor] = {}
        left: list[str] = []
        for name, tensor in official.items():
            for start, rule in self._official:
                if not name.startswith(start):
                    continue
                try:
                    ours = rule.forward(name)
                except KeyError:
                    continue
                break
            else:
                left.append(name)
                continue
            if ours is None:
                continue
            if ours in out:
                raise CheckpointError(f"two official tensors become {ours!r}; the second is {name!r}")
            if rule.reshapes(name):
                tensor = _drop_trailing(tensor, rule.trailing, name)
            out[ours] = tensor
        if left:
            raise CheckpointError(f"{len(left)} tensors fit no rule of this family: {grouped(left)}")
        return out

    def to_official(self, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The inverse: our state dict under the official names and shapes, without what the official model never uses.

        Raises:
            CheckpointError: one of our names is covered by no rule.
        """
        out: dict[str, Tensor] = {}
        for name, tensor in ours.items():
            for start, rule in self._ours:
                if not name.startswith(start):
                    continue
                try:
                    official = rule.backward(name)
                except KeyError:
                    continue
                break
            else:
                raise CheckpointError(f"{name!r} has no official counterpart in this family's rules")
            if rule.reshapes(name):
                tensor = tensor[(...,) + (None,) * rule.trailing]
            out[str(official)] = tensor
        return out


def _drop_trailing(tensor: Tensor, count: int, name: str) -> Tensor:
    if tensor.dim() < count or any(size != 1 for size in tensor.shape[-count:]):
        raise CheckpointError(
            f"{name!r} has shape {tuple(tensor.shape)}; {count} trailing axes of size 1 were expected"
        )
    return tensor.reshape(tensor.shape[:-count])


def grouped(names: Iterable[str], depth: int = 2) -> str:
    """Names in a message: counted by their first pieces, with an example of each group."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(".".join(name.split(".")[:depth]), []).append(name)
    parts = [
        f"{prefix}.* ({len(found)}, e.g. {found[0]!r})" if len(found) > 1 else repr(found[0])
        for prefix, found in groups.items()
    ]
    return ", ".join(parts[:8]) + (f" and {len(parts) - 8} more groups" if len(parts) > 8 else "")
