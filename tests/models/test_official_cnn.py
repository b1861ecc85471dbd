"""Outputs and names of the official code: the convolutional yardsticks.

The files of `tests/golden` hold tiny official models with random weights, their inputs and their outputs in float64;
how they were made stands in their metadata. The lists of `tests/keys` hold the tensor names and shapes of official
models at their real sizes, after a line that says which. Where SpikingJelly is installed, its own models run beside ours.
"""

import json
import sys
import types
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from spikeformers import from_official, load_weights
from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.models.base import MODELS
from spikeformers.models.hub import export_official
from spikeformers.models.official import OfficialArgs, Shapes

HERE = Path(__file__).resolve().parent.parent

# golden file → whether its layout is the one that is written.
GOLDEN = {
    "sew_resnet_add": True,
    "sew_resnet_iand_containers": False,
    "spiking_resnet_bottleneck": True,
    "spiking_resnet_containers": False,
    "ms_resnet_18": True,
    "ms_resnet_104": True,
    "ms_resnet_spikingjelly": False,
    "spiking_vgg": True,
    "spiking_vgg_bn": True,
    "spiking_vggsnn": True,
}
# List of official names → our variant, and whether that layout is the one that is written.
KEYS = {
    "spiking_resnet_18": ("spiking_resnet_18", True),
    "spiking_resnet_50_containers": ("spiking_resnet_50", False),
    "sew_resnet_50": ("sew_resnet_50", True),
    "sew_resnet_34_containers": ("sew_resnet_34", False),
    "ms_resnet_34": ("ms_resnet_34", True),
    "ms_resnet_18_spikingjelly": ("ms_resnet_18", False),
    "spiking_vgg_11": ("spiking_vgg_11", True),
    "spiking_vgg_16_bn": ("spiking_vgg_16_bn", True),
    "spiking_vggsnn": ("spiking_vggsnn", True),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_outputs_equal_those_of_the_official_code(name: str, tmp_path: Path) -> None:
    path = HERE / "golden" / f"{name}.safetensors"
    with safe_open(path, "pt") as file:
        meta = file.metadata()
    arguments, tensors = json.loads(meta["official_config"]), load_file(path)
    state = {n[3:]: t.double() if t.is_floating_point() else t for n, t in tensors.items() if n.startswith("sd.")}
    x = tensors["x"].double()
    x = x.transpose(0, 1) if x.dim() == 5 else x
    model = from_official(meta["family"], state, **arguments)
    with torch.no_grad():
        logits = model(x)
    torch.testing.assert_close(tensors["y"], tensors["y_single"], rtol=0, atol=1e-12)
    wanted = tensors["y"]
    torch.testing.assert_close(model.readout(logits) if wanted.dim() == 2 else logits, wanted, rtol=0, atol=1e-9)
    back = export_official(model)
    if GOLDEN[name]:
        assert set(back) == set(state)
        assert all(torch.equal(back[n].to(state[n].dtype), state[n]) for n in back)
    torch.save({"state_dict": {f"module.{n}": t for n, t in state.items()}}, tmp_path / "official.pth")
    fresh = load_weights(model.config.build().double(), tmp_path / "official.pth").eval()
    with torch.no_grad():
        assert torch.equal(fresh(x), logits)
    with pytest.raises(ConfigError, match="no argument 'num_klasses'; did you mean 'num_classes'"):
        from_official(meta["family"], state, **arguments, num_klasses=3)
    with pytest.raises(CheckpointError, match="surprise"):
        from_official(meta["family"], {**state, "surprise": torch.ones(1)}, **arguments)


def official_shapes(name: str) -> Shapes:
    lines = (HERE / "keys" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if not line.startswith("#"))
    return Shapes({n: torch.Size(()) if s == "-" else torch.Size(map(int, s.split("x"))) for n, s in pairs})


@pytest.mark.parametrize("name", KEYS)
def test_every_official_tensor_has_its_place_and_tells_the_variant(name: str) -> None:
    official, (variant, written) = official_shapes(name), KEYS[name]
    config = MODELS.config(variant)
    if name == "ms_resnet_18_spikingjelly":
        config = config.but(neuron=config.neuron.but(strict=False))
    args = OfficialArgs(config.family, {})
    assert type(config).from_official(official, args) == config
    args.done()
    with torch.device("meta"):
        model = config.build()
    rules, own = config.official_rules(), {n: t.shape for n, t in model.state_dict().items()}
    ours = rules.to_ours({n: torch.empty(s, device="meta") for n, s in official.items()})
    assert {n: t.shape for n, t in ours.items()} == own
    if written:
        assert {n: t.shape for n, t in rules.to_official(model.state_dict()).items()} == official


def test_dilated_stages_and_odd_stems_are_refused() -> None:
    shapes = official_shapes("sew_resnet_50")
    state = {n: torch.empty(s, device="meta") for n, s in shapes.items()}
    with pytest.raises(ConfigError, match=r"replace_stride_with_dilation=\[False, True, True\] .* not built"):
        from_official("sew_resnet", state, replace_stride_with_dilation=[False, True, True])
    with pytest.raises(CheckpointError, match="the first convolution is 5×5"):
        from_official("sew_resnet", {**state, "conv1.weight": torch.empty(64, 3, 5, 5)})


def spikingjelly(name: str) -> Any:
    """One of its model files; they import a function of torchvision that only downloads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("spikingjelly.activation_based.neuron")
        stand_in = types.ModuleType("torchvision.models.utils")
        stand_in.__dict__["load_state_dict_from_url"] = None
        with pytest.MonkeyPatch.context() as patch:
            for package in ("torchvision", "torchvision.models"):
                patch.setitem(sys.modules, package, types.ModuleType(package))
            patch.setitem(sys.modules, stand_in.__name__, stand_in)
            return import_module(f"spikingjelly.activation_based.model.{name}")


PEERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "spiking_resnet18": ("spiking_resnet", "IFNode", {}),
    "sew_resnet18": ("sew_resnet", "IFNode", {"cnf": "AND"}),
    "sew_resnet50": ("sew_resnet", "IFNode", {"cnf": "IAND"}),
}


@pytest.mark.peers
@pytest.mark.parametrize("name", PEERS)
def test_outputs_equal_those_of_spikingjelly_at_full_width(name: str) -> None:
    family, node, fields = PEERS[name]
    files = spikingjelly(family)
    neuron = import_module("spikingjelly.activation_based.neuron")
    functional = import_module("spikingjelly.activation_based.functional")
    torch.manual_seed(0)
    theirs = getattr(files, name)(spiking_neuron=getattr(neuron, node), num_classes=7, **fields).double()
    functional.set_step_mode(theirs, "m")
    for module in theirs.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 0.7, 1.5)
            nn.init.uniform_(module.bias, 0.0, 0.5)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1.5 * module.in_features**-0.5)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    x = torch.rand(2, 2, 3, 32, 32).double() * 3 - 1
    with torch.no_grad():
        theirs.train()(x)
        functional.reset_net(theirs)
        wanted = theirs.eval()(x)
        # Its bottlenecks swap the operands of IAND.
        logits = from_official(family, theirs.state_dict(), parity=True, img_size=32, **fields)(x)
    assert wanted.std() > 0
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-9)
