"""Configurations: changed, swapped, saved and read back, and every mistake refused with the nearest valid name."""

from pathlib import Path

import pytest

from spikeformers.core.config import deferred_checks
from spikeformers.core.errors import ConfigError
from spikeformers.models.base import MODELS, ModelConfig
from spikeformers.neurons import NeuronConfig


def test_a_config_survives_the_round_trip_through_yaml(tmp_path: Path) -> None:
    config = MODELS.config("spikformer_4_384").but(neuron="plif", num_classes=7)
    (tmp_path / "model.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert ModelConfig.from_yaml(tmp_path / "model.yaml") == config


def test_a_saved_config_holds_registered_names_and_no_import_paths() -> None:
    text = MODELS.config("spikformer_4_384").to_yaml()
    assert "family: spikformer" in text
    assert "family: lif" in text
    assert "spikeformers." not in text


def test_a_variant_name_in_yaml_starts_from_the_variant() -> None:
    config = ModelConfig.from_dict({"family": "spikformer_4_384", "depth": 2})
    assert (config.dim, config.depth) == (384, 2)  # type: ignore[attr-defined]


def test_swap_replaces_a_component_with_its_defaults() -> None:
    config = MODELS.config("spikformer_4_384").swap("neuron", "plif").swap("neuron.surrogate", "triangle")
    assert config.neuron.family == "plif"
    assert config.neuron.surrogate.family == "triangle"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"family": "spikfromer"}, "did you mean 'spikformer'"),
        ({"family": "spikformer", "dpeth": 3}, "has no field 'dpeth'; did you mean 'depth'"),
        ({"family": "spikformer", "depth": "3"}, "depth: '3' is not a valid int"),
        ({"family": "spikformer", "depth": True}, "depth: True is not a valid int"),
        (
            {"family": "spikformer", "neuron": {"family": "lif", "init_tau": 2.0}},
            "neuron: neuron 'lif' has no field 'init_tau'",
        ),
        ({"family": "spikformer", "neuron": {"tau": 2.0}}, "neuron: a neuron needs the key 'family'"),
        ({"depth": 3}, "needs the key 'family'"),
        (
            {"family": "spikformer", "dim": 390, "heads": 12},
            "dim=390 is not divisible by heads=12; nearest valid: 384, 396",
        ),
    ],
)
def test_a_mistake_in_yaml_names_the_thing_and_the_nearest_valid_name(data: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ModelConfig.from_dict(data, where="run.yaml")
    assert fault in str(caught.value)
    assert str(caught.value).startswith("run.yaml: ")


def test_several_mistakes_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        ModelConfig.from_dict({"family": "spikformer", "dpeth": 3, "neuron": {"family": "lif", "tua": 2.0}})
    assert "dpeth" in str(caught.value)
    assert "tua" in str(caught.value)


def test_but_refuses_what_does_not_exist_or_does_not_fit() -> None:
    config = MODELS.config("spikformer_4_384")
    with pytest.raises(ConfigError, match="no field 'hedas'; did you mean 'heads'"):
        config.but(hedas=2)
    with pytest.raises(ConfigError, match="no neuron is called 'liff'"):
        config.but(neuron="liff")
    with pytest.raises(ConfigError, match="a model 'spikformer'"):
        config.but(neuron=config)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("dims", 5, "dims: 5 is not a list"),
        ("dims", ["a", 3], r"dims\[0\]: 'a' is not a valid int"),
        ("img_size", (8, 8, 8), "img_size: "),
        ("img_size", 2.5, "img_size: 2.5 is not a valid"),
        ("img_size", [8, "a"], r"img_size: \[8, 'a'\] is not a valid"),
    ],
)
def test_lists_and_pairs_are_refused_by_name(field: str, value: object, fault: str) -> None:
    config = MODELS.config("spiking_vgg_tiny")
    with pytest.raises(ConfigError, match=fault):
        config.but(**{field: value})
    assert config.but(img_size=[8, 16]).img_size == (8, 16)


@pytest.mark.parametrize(
    ("path", "name", "fault"),
    [("nuron", "lif", "did you mean 'neuron'"), ("dim", "lif", "--dim"), ("dim.x", "lif", "nowhere")],
)
def test_swap_refuses_a_wrong_path(path: str, name: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        MODELS.config("spikformer").swap(path, name)


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: [", "just words"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.yaml"):
        NeuronConfig.from_yaml(path)
    with pytest.raises(ConfigError, match="cannot read"):
        NeuronConfig.from_yaml(tmp_path / "absent.yaml")


def test_checks_may_be_put_off_until_all_changes_are_made() -> None:
    good = MODELS.config("spikformer_tiny")
    with deferred_checks():
        wide = good.but(heads=6)
        fitting = wide.but(dim=96)
    assert fitting.validate() is fitting
    with pytest.raises(ConfigError, match="heads=6"):
        wide.validate()
    with pytest.raises(ConfigError, match="heads=6"):
        good.but(heads=6)
