"""Outputs and names of the official code: Spikformer's relatives, Q-K attention, Max-Former, TIM, SEMM.

The files of `tests/golden` hold tiny official models with random weights, their inputs and their outputs in float64
(`y`, and `y_single` for each sample run alone); how they were made stands in their metadata. The lists of `tests/keys`
hold the tensor names and shapes of official models at their real sizes, after a line that says which.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from spikeformers import from_official
from spikeformers.core.errors import CheckpointError, ConfigError, ShapeError
from spikeformers.models.base import MODELS
from spikeformers.models.hub import create_model, export_official
from spikeformers.models.official import OfficialArgs

HERE = Path(__file__).resolve().parent.parent

# What the official classes register and never use.
LAYER_NORMS = (".norm1.", ".norm2.")
TALKING_HEADS = (".talking_heads.",)
BRAINCOG = (".threshold", ".act_fun.alpha")

SHOWN = {
    "spikingformer_cifar": ("spikingformer", LAYER_NORMS),
    "sdt1_cifar": ("sdt_v1", TALKING_HEADS),
    "statten_cifar": ("statten", TALKING_HEADS),
    "qkformer_cifar": ("qkformer", ()),
    "max_former_cifar": ("maxformer", ()),
    "autost_cifar": ("autost", ()),
}
OWN = {
    "spikformer_dvs": ("spikformer", (*LAYER_NORMS, "pos_embed", ".norm.")),
    "spikingformer_imagenet": ("spikingformer", LAYER_NORMS),
    "spikingformer_dvs": ("spikingformer", LAYER_NORMS),
    "sdt1_imagenet": ("sdt_v1", TALKING_HEADS),
    "sdt1_dvs": ("sdt_v1", TALKING_HEADS),
    "sdt1_plif": ("sdt_v1", (*TALKING_HEADS, ".attn_lif.w", ".rpe_lif.w")),
    "statten_imagenet": ("statten", TALKING_HEADS),
    "statten_dvs": ("statten", TALKING_HEADS),
    "qkformer_imagenet": ("qkformer", ()),
    "qkformer_dvs": ("qkformer", ()),
    "max_former_imagenet": ("maxformer", ()),
    "max_former_dvs": ("maxformer", ()),
    "ms_qkformer_imagenet": ("ms_qkformer", ()),
    "ms_qkformer_cifar": ("ms_qkformer", ()),
    "ms_qkformer_dvs": ("ms_qkformer", ()),
    "max_resnet18_cifar": ("max_resnet", ()),
    "tim_released": ("tim", (*LAYER_NORMS, *BRAINCOG)),
    "tim_intended": ("tim", (*LAYER_NORMS, *BRAINCOG)),
    "semm_cifar": ("semm", BRAINCOG),
    "semm_imagenet": ("semm", (*BRAINCOG, ".k_bn.", ".v_bn.")),
}
LEAKING = {"qkformer_imagenet", "qkformer_dvs"}
# The released thresholds are the official defect, the intended ones our default.
ONLY_PARITY = {"tim_released": True, "tim_intended": False}

# Our variant → what its official class registers and never uses, and arguments that shapes do not tell.
KEYS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "spikformer_8_512": (LAYER_NORMS, {}),
    "spikformer_4_384": (LAYER_NORMS, {"img_size_h": 32, "img_size_w": 32}),
    "spikformer_2_256": ((*LAYER_NORMS, "pos_embed", ".norm."), {}),
    "spikingformer_8_512": (LAYER_NORMS, {}),
    "spikingformer_4_384": (LAYER_NORMS, {}),
    "spikingformer_2_256": (LAYER_NORMS, {}),
    "sdt_v1_8_512": (TALKING_HEADS, {}),
    "sdt_v1_2_512": (TALKING_HEADS, {"pooling_stat": "0011"}),
    "sdt_v1_2_256_events": (TALKING_HEADS, {"pooling_stat": "0011", "img_size_h": 64, "dvs_mode": True}),
    "statten_8_512": (TALKING_HEADS, {}),
    "statten_2_512": (TALKING_HEADS, {"pooling_stat": "0011"}),
    "statten_2_256_events": (TALKING_HEADS, {"pooling_stat": "0011", "img_size_w": 64, "chunk_size": 4}),
    "qkformer_10_512": ((), {}),
    "qkformer_4_384": ((), {}),
    "qkformer_2_256": ((), {}),
    "maxformer_10_512": ((), {}),
    "maxformer_4_384": ((), {}),
    "maxformer_2_256": ((), {"T": 16}),
    "ms_qkformer_10_512": ((), {}),
    "ms_qkformer_4_384": ((), {}),
    "ms_qkformer_2_256": ((), {"T": 16}),
    "max_resnet_18": ((), {}),
    "autost_4_384": ((), {}),
    "tim_2_256": ((*LAYER_NORMS, *BRAINCOG), {}),
    "semm_4_384": (BRAINCOG, {}),
    "semm_8_384": (BRAINCOG, {}),
    "semm_8_512": (BRAINCOG, {}),
}


def used(names: set[str], unused: tuple[str, ...]) -> set[str]:
    return {n for n in names if not any(part in f".{n}" for part in unused)}


def compare(name: str, path: Path, family: str, unused: tuple[str, ...]) -> None:
    with safe_open(path, "pt") as file:
        arguments = json.loads(file.metadata()["official_config"])
    tensors = load_file(path)
    state = {n[3:]: t.double() if t.is_floating_point() else t for n, t in tensors.items() if n.startswith("sd.")}
    x = tensors["x"].double()
    x = x.transpose(0, 1) if x.dim() == 5 else x
    for parity, wanted in ((False, tensors["y_single"]), (True, tensors["y"])):
        if ONLY_PARITY.get(name, parity) != parity:
            continue
        model = from_official(family, state, parity=parity, **arguments)
        with torch.no_grad():
            logits = model(x)
        torch.testing.assert_close(model.readout(logits), wanted, rtol=0, atol=1e-9)
    back = export_official(model)
    assert set(back) == used(set(state), unused)
    assert all(torch.equal(back[n].to(state[n].dtype), state[n]) for n in back)
    with pytest.raises(ConfigError, match="no argument 'num_klasses'; did you mean 'num_classes'"):
        from_official(family, state, **arguments, num_klasses=3)
    with pytest.raises(CheckpointError, match="surprise"):
        from_official(family, {**state, "surprise": torch.ones(1)}, **arguments)


@pytest.mark.parametrize("name", SHOWN)
def test_outputs_equal_the_shown_official_ones(shared: Path, name: str) -> None:
    compare(name, shared / "golden" / f"{name}.safetensors", *SHOWN[name])


@pytest.mark.parametrize("name", OWN)
def test_outputs_equal_those_of_the_official_code(name: str) -> None:
    path = HERE / "golden" / f"{name}.safetensors"
    compare(name, path, *OWN[name])
    tensors = load_file(path)
    leaks = not torch.allclose(tensors["y"], tensors["y_single"], rtol=0, atol=1e-9)
    assert leaks == (name in LEAKING)


def official_shapes(name: str) -> dict[str, torch.Size]:
    lines = (HERE / "keys" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return {n: torch.Size(()) if s == "-" else torch.Size(map(int, s.split("x"))) for n, s in pairs}


@pytest.mark.parametrize("name", KEYS)
def test_every_official_tensor_has_its_place(name: str) -> None:
    official = official_shapes(name)
    with torch.device("meta"):
        model = MODELS.config(name).build()
    rules = model.config.official_rules()
    kept = used(set(official), KEYS[name][0])
    back = rules.to_official(model.state_dict())
    assert {n: t.shape for n, t in back.items()} == {n: official[n] for n in kept}
    ours = rules.to_ours({n: torch.empty(s, device="meta") for n, s in official.items()})
    assert {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in model.state_dict().items()}


@pytest.mark.parametrize("name", [n for n in KEYS if not n.startswith("semm")])
def test_the_shapes_tell_the_variant(name: str) -> None:
    config = MODELS.config(name)
    args = OfficialArgs(config.family, KEYS[name][1])
    assert type(config).from_official(official_shapes(name), args) == config
    args.done()


def test_a_checkpoint_of_the_semm_reimplementation_keeps_its_own_routing_and_norms() -> None:
    config = MODELS.config("semm_4_384")
    read = type(config).from_official(official_shapes("semm_4_384"), OfficialArgs("semm", {}))
    assert read == config.but(routing="interleaved")
    config = MODELS.config("semm_8_384")
    read = type(config).from_official(official_shapes("semm_8_384"), OfficialArgs("semm", {}))
    assert read == config.but(norm=False, attention_scale=1.0)


def test_steps_that_do_not_fill_the_chunks_are_refused() -> None:
    model = create_model("statten_tiny")
    with pytest.raises(ShapeError, match="chunks of 2 steps needs T divisible by it; got T=3"):
        model(torch.rand(3, 1, 3, 32, 32))


def test_temporal_interaction_is_silent_at_the_released_thresholds_after_the_first_step() -> None:
    released = {"in_threshold": 1.0, "out_threshold": 1.0, "attention_threshold": 1.0}
    for changes, silent in ((released, True), ({}, False)):
        interaction = create_model("tim_tiny", **changes).blocks[0].attention.interaction
        queries = (torch.rand(8, 2, 2, 16, 32) < 0.7).float()
        with torch.no_grad():
            torch.nn.init.constant_(interaction.interactor.bias, 2.0)
            out = interaction(queries)
        assert torch.equal(out[0], queries[0])
        assert bool(out[1:].any()) != silent


def test_masking_channels_differs_from_masking_tokens() -> None:
    torch.manual_seed(0)
    token = create_model("qkformer_tiny").train()
    channel = create_model("qkformer_tiny", attention="qk_channel").train()
    channel.load_state_dict(token.state_dict())
    x = torch.rand(4, 3, 16, 16) * 3
    assert not torch.equal(token(x), channel(x))


@pytest.mark.parametrize("body", ["spikingformer", "sdt"])
def test_expert_mixtures_work_on_membrane_bodies_and_claim_no_official_names(body: str) -> None:
    torch.manual_seed(0)
    model = create_model("semm_tiny", body=body).train()
    logits = model(torch.rand(4, 3, 16, 16) * 3)
    assert logits.shape == (4, 4, 10)
    logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    with pytest.raises(CheckpointError, match="no official parameter names of SEMM on the body"):
        export_official(model)


def test_thresholds_come_from_the_checkpoint_unless_they_are_the_released_defect() -> None:
    shapes = official_shapes("tim_2_256")
    kept = {n: torch.tensor(1.0) for n in shapes if n.endswith(".threshold")}
    own = {**kept, "block.0.attn.TIM.in_lif.threshold": torch.tensor(0.25)}
    for tensors, parity, wanted in (
        (kept, False, (0.3, 0.5, 0.5)),
        (kept, True, (1.0, 1.0, 1.0)),
        (own, False, (0.25, 0.5, 0.5)),
    ):
        args = OfficialArgs("tim", {}, parity, tensors)
        config = type(MODELS.config("tim")).from_official(shapes, args)
        assert (config.in_threshold, config.out_threshold, config.attention_threshold) == wanted
