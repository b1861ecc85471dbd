"""Outputs and names of the official code, for the families with hierarchical, quantized and wavelet models.

The files of `tests/golden` hold tiny official models with random weights, their inputs and their outputs in float64
(`y`, and `y_single` for each sample run alone); how they were made stands in their metadata. The lists of `tests/keys`
hold the tensor names and shapes of official models at their real sizes.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from spikeformers import from_official
from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.models.base import MODELS
from spikeformers.models.hub import export_official

HERE = Path(__file__).resolve().parent.parent

# name → family, and what the official model registers and never uses.
SHOWN = {
    "swformer_cifar": ("swformer", ()),
    "sglformer_cifar": ("sglformer", ()),
    "sdt2": ("sdt_v2", ()),
    "sdt3_base": ("sdt_v3", ()),
    "qsd": ("qsd", (".act.",)),
    "mst_qcfs": ("masked_spiking_transformer", ()),
}
OWN = {
    "swformer_imagenet": ("swformer", ()),
    "swformer_dvs": ("swformer", ()),
    "sglformer_imagenet": ("sglformer", (".norm1.", ".norm2.")),
    "sglformer_imagenet_late": ("sglformer", (".norm1.", ".norm2.")),
    "sglformer_dvs": ("sglformer", ()),
    "spikingresformer_imagenet": ("spikingresformer", ()),
    "spikingresformer_dvs": ("spikingresformer", ()),
    "sdt_v3_large_base": ("sdt_v3", ()),
    "sdt_v3_large_large": ("sdt_v3_large", ()),
}
LEAKING = {"sglformer_imagenet", "sglformer_imagenet_late"}
KEYS = {
    "swformer_2_256": (),
    "swformer_4_384": (),
    "swformer_8_512": (),
    "sglformer_4_256": (),
    "sglformer_4_384": (),
    "sglformer_8_384": (".norm1.", ".norm2."),
    "sglformer_8_384_late": (".norm1.", ".norm2."),
    "sdt_v2_31m_kd": (),
    "sdt_v3_s": (),
    "qsd_8_256": (".act.",),
    "spikingresformer_ti": (),
    "spikingresformer_ti_cifar10": (),
    "spikingresformer_dvsg": (),
    "masked_spiking_transformer_t": (),
    "masked_spiking_transformer_t_cifar10": (),
    "sdt_v3_12_512_kd": (),
    "ms_resnet_18": (),
    "ms_resnet_104": (),
}


def compare(path: Path, family: str, unused: tuple[str, ...]) -> None:
    with safe_open(path, "pt") as file:
        arguments = json.loads(file.metadata()["official_config"])
    tensors = load_file(path)
    state = {n[3:]: t.double() if t.is_floating_point() else t for n, t in tensors.items() if n.startswith("sd.")}
    x = tensors["x"].double()
    x = x.transpose(0, 1) if x.dim() == 5 else x
    cases = [(False, tensors["y_single"]), (True, tensors["y"])]
    for parity, wanted in cases if path.stem in LEAKING else cases[:1]:
        model = from_official(family, state, parity=parity, **arguments)
        with torch.no_grad():
            logits = model(x)
        if wanted.dim() == 3:
            torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-9)
        else:
            torch.testing.assert_close(model.readout(logits), wanted, rtol=0, atol=1e-9)
    kept = {n: t for n, t in state.items() if not any(part in f".{n}" for part in unused)}
    back = export_official(model)
    assert set(back) == set(kept)
    assert all(torch.equal(back[n].to(kept[n].dtype), kept[n]) for n in kept)
    with pytest.raises(ConfigError, match="no argument 'num_klasses'; did you mean 'num_classes'"):
        from_official(family, state, **arguments, num_klasses=3)
    with pytest.raises(CheckpointError, match="surprise"):
        from_official(family, {**state, "surprise": torch.ones(1)}, **arguments)


@pytest.mark.parametrize("name", SHOWN)
def test_outputs_equal_the_shown_official_ones(shared: Path, name: str) -> None:
    compare(shared / "golden" / f"{name}.safetensors", *SHOWN[name])


@pytest.mark.parametrize("name", OWN)
def test_outputs_equal_those_of_the_official_code(name: str) -> None:
    path = HERE / "golden" / f"{name}.safetensors"
    compare(path, *OWN[name])
    tensors = load_file(path)
    leaks = not torch.allclose(tensors["y"], tensors["y_single"], rtol=0, atol=1e-9)
    assert leaks == (name in LEAKING)


@pytest.mark.parametrize("name", KEYS)
def test_every_official_tensor_has_its_place(name: str) -> None:
    lines = (HERE / "keys" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    official = {n: () if s == "-" else tuple(map(int, s.split("x"))) for n, s in (line.split() for line in lines)}
    with torch.device("meta"):
        model = MODELS.config(name).build()
    rules = model.config.official_rules()
    kept = {n: s for n, s in official.items() if not any(part in f".{n}" for part in KEYS[name])}
    assert {n: tuple(t.shape) for n, t in rules.to_official(model.state_dict()).items()} == kept
    ours = rules.to_ours({n: torch.empty(s, device="meta") for n, s in official.items()})
    assert {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in model.state_dict().items()}
