"""Registries: discovery, variants, suggestions, and no name taken twice."""

from dataclasses import dataclass

import pytest

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError, did_you_mean
from spikeformers.core.registry import Registry
from spikeformers.models.base import MODELS


@dataclass(frozen=True, kw_only=True)
class Thing(Config):
    size: int = 1


def fresh() -> Registry[Thing]:
    return Registry("thing", "spikeformers.core")


def test_a_variant_is_its_family_with_some_fields_changed() -> None:
    things = fresh()
    things.register("thing", variants={"thing_big": {"size": 9}}, source="here")(Thing)
    assert things.config("thing_big") == Thing(size=9)
    assert things.entry("thing_big").family == "thing"
    assert things.variants("thing") == ["thing_big"]
    assert things.families() == ["thing"]


def test_a_variant_of_an_unknown_field_is_refused_when_it_is_declared() -> None:
    with pytest.raises(ConfigError, match="unknown field 'sise'; did you mean 'size'"):
        fresh().register("thing", variants={"thing_big": {"sise": 9}})(Thing)


def test_a_name_cannot_be_registered_twice() -> None:
    things = fresh()
    things.register("thing")(Thing)
    with pytest.raises(ConfigError, match="already registered"):
        things.register("thing")(Thing)


def test_every_variant_of_every_model_is_buildable_config() -> None:
    for entry in MODELS:
        assert entry.config().family == entry.family


def test_suggestions_ignore_case_and_dashes() -> None:
    assert "spikformer_8_512" in did_you_mean("Spikformer-8-512", MODELS.names())
    assert did_you_mean("zzz", ["a", "b"]) == "; valid: a, b"
