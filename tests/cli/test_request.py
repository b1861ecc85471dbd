from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from spikeformers.cli.parsing import UsageError
from spikeformers.cli.request import read_config, read_request
from spikeformers.core.errors import ConfigError

Command = Callable[..., Any]


def config_of(*words: str) -> Any:
    return read_config(read_request("train", words, switches=("--resume",), valued=("--folder", "--plugin")))


def test_swaps_and_flags_change_the_recipe() -> None:
    config = config_of("spikformer_digits", "model.neuron=plif", "--model.neuron.init-tau", "1.5", "--seed", "7")
    assert config.model.neuron.family == "plif"
    assert config.model.neuron.init_tau == 1.5
    assert config.seed == 7


def test_a_component_that_is_none_can_be_chosen() -> None:
    config = config_of("spikformer_digits", "data.mix=cutmix", "--data.mix.alpha", "0.5")
    assert config.to_dict()["data"]["mix"] == {"family": "cutmix", "probability": 1.0, "alpha": 0.5}


def test_order_of_swaps_and_flags_does_not_matter() -> None:
    first = config_of("spikformer_digits", "model.neuron=plif", "--model.neuron.init-tau", "1.5")
    assert config_of("spikformer_digits", "--model.neuron.init-tau", "1.5", "model.neuron=plif") == first
    assert config_of("spikformer_digits", "--model.neuron.init_tau=1.5", "model.neuron=plif") == first


def test_a_component_that_fits_only_with_a_flag_is_taken_with_it_and_refused_without() -> None:
    mirrored = ["spikformer_digits", "data.augment=rand_augment"]
    assert config_of(*mirrored, "--data.augment.flip", "0").data.augment.flip == 0.0
    late = ["learns_digits", "model=qsd_tiny", "model.neuron=resonate"]
    assert config_of(*late, "--model.timesteps", "2").model.timesteps == 2
    for words, fault in ((mirrored, "set flip=0"), (late, "take timesteps=2")):
        with pytest.raises(ConfigError, match=fault):
            config_of(*words)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--model.neuron.detach-reset", "false"], False),
        (["--model.neuron.no-detach-reset"], False),
        (["--model.neuron.no-detach-reset", "--model.neuron.detach-reset"], True),
        (["--model.neuron.detach-reset", "True"], True),
    ],
)
def test_switches_may_be_written_both_ways(words: list[str], value: bool) -> None:
    assert config_of("spikformer_digits", *words).model.neuron.detach_reset is value


def test_none_may_be_written_as_in_yaml() -> None:
    for none in ("none", "null", "None"):
        assert config_of("spikformer_digits", "--model.neuron.v-reset", none).model.neuron.v_reset is None
    assert config_of("spikformer_digits", "data.augment=none").data.augment is None


def test_values_may_be_negative_or_several() -> None:
    config = config_of(
        "spikformer_digits", "--optim.betas", "0.8", "0.9", "--model.neuron.v-reset", "-0.5", "--seed", "2"
    )
    assert config.optim.betas == (0.8, 0.9)
    assert config.model.neuron.v_reset == -0.5


def test_the_verbs_own_flags_may_stand_anywhere() -> None:
    request = read_request(
        "train", ["--resume", "recipe", "--folder=x", "--seed", "1"], switches=("--resume",), valued=("--folder",)
    )
    assert request.what == "recipe"
    assert request.options == {"resume": True, "folder": ["x"]}
    assert request.edits == [("--seed", ["1"])]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["spikformer_digit"], "no recipe is called 'spikformer_digit'; did you mean 'spikformer_digits'"),
        (
            ["sdt_v1_2_256"],
            "'sdt_v1_2_256' is a model, not a recipe; `spikeformers list models sdt_v1_2_256` tells of it",
        ),
        (["spikformer_digits", "model.neurn=plif"], "did you mean 'neuron'"),
        (["spikformer_digits", "modle=spikformer"], "did you mean 'model'"),
        (["spikformer_digits", "model.neuron=plfi"], "did you mean 'plif'"),
        (["spikformer_digits", "model.neuron="], "needs the name of a component"),
        (
            ["spikformer_digits", "model.depth=3"],
            "model.depth is a plain value, not a component; set it with --model.depth 3",
        ),
        (["spikformer_digits", "--model.dpth", "3"], "model 'spikformer' has no field 'dpth'; did you mean 'depth'"),
        (["spikformer_digits", "--optm.lr", "3"], "a run has no field 'optm'; did you mean 'optim'"),
        (["spikformer_digits", "--model.neuron", "plif"], "swap it with model.neuron=NAME"),
        (["spikformer_digits", "--model.depth.x", "1"], "model.depth is a plain value"),
        (
            ["spikformer_digits", "data.augment=none", "--data.augment.shift", "1"],
            "choose one first with data.augment=NAME",
        ),
        (["spikformer_digits", "--model.depth", "abc"], "--model.depth takes INT, not 'abc'"),
        (["spikformer_digits", "--model.depth"], "--model.depth needs a value"),
        (["spikformer_digits", "--model.depth", "3", "4"], "'4' fits nowhere"),
        (["spikformer_digits", "--train.precision", "fp61"], "'fp32', 'bf16'"),
        (["spikformer_digits", "--model.neuron.detach-reset", "maybe"], "takes true or false, not 'maybe'"),
        (["spikformer_digits", "--model.neuron.tau", "0.5"], "tau=0.5 of a LIF neuron must be above 1"),
        (["spikformer_digits", "--train.epochs", "0"], "epochs=0 must be at least 1"),
        (["spikformer_digits", "another"], "'another' fits nowhere"),
        (["spikformer_digits", "-x"], "'-x' fits nowhere"),
        (["--seed", "1"], "say first what to"),
        (["spikformer_digits", "--folder"], "--folder needs a value"),
        (["spikformer_digits", "--resume=yes"], "--resume takes no value"),
        (["spikformer_digits", "--plugin", "no_such_plugin"], "cannot import the plugin 'no_such_plugin'"),
        (["nowhere/config.yaml"], "there is no configuration nowhere/config.yaml"),
    ],
)
def test_a_mistake_in_train_gets_one_clear_line(command: Command, words: list[str], message: str) -> None:
    done = command("train", *words)
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_a_field_of_the_component_swapped_out_is_refused_with_the_near_miss() -> None:
    with pytest.raises(UsageError) as caught:
        config_of("spikformer_digits", "model.neuron=plif", "--model.neuron.tau", "1.5")
    assert "replaced by model.neuron=plif" in str(caught.value)
    assert "did you mean 'init-tau'" in str(caught.value)


def test_show_prints_a_configuration_that_is_itself_valid(command: Command, tmp_path: Path) -> None:
    words = ["spikformer_digits", "model.neuron=plif", "--model.neuron.init-tau", "1.5", "--train.epochs", "3"]
    shown = command("show", *words).out
    (tmp_path / "mine.yaml").write_text(shown)
    assert yaml.safe_load(shown)["model"]["neuron"]["init_tau"] == 1.5
    assert command("show", "mine.yaml").out == shown
    assert config_of(str(tmp_path / "mine.yaml")) == config_of(*words)


@pytest.mark.parametrize(
    ("key", "message"), [("epochz: 3", "did you mean 'epochs'"), ("epochs: many", "'many' is not a valid int")]
)
def test_a_typo_in_a_file_is_found(command: Command, tmp_path: Path, key: str, message: str) -> None:
    text = command("show", "spikformer_digits").out
    lines = [f"  {key}" if line.startswith("  epochs:") else line for line in text.splitlines()]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    done = command("show", "mine.yaml")
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert "mine.yaml" in done.err


def test_a_misspelled_file_is_answered_with_the_nearest(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("")
    assert "did you mean 'mine.yaml'" in command("show", "./mien.yaml").err


def test_a_plugin_brings_its_recipe(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "plugin_of_mine.py").write_text(
        "from spikeformers.recipes import RECIPES, recipe\n"
        "@recipe('my_digits')\n"
        "def my_digits():\n"
        "    return RECIPES.config('spikformer_digits').but(name='my_digits', seed=11)\n"
    )
    assert "seed: 11" in command("show", "my_digits", "--plugin", "plugin_of_mine").out


def test_help_after_a_recipe_lists_its_fields(command: Command) -> None:
    done = command("show", "spikformer_digits", "model.neuron=plif", "--help")
    assert done.status == 0
    assert "--model.neuron.init-tau" in done.out
    assert "--train.epochs" in done.out
