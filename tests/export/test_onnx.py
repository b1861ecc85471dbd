"""ONNX files compute what the model computes, and what cannot be written or read is refused in one sentence."""

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from spikeformers import create_model
from spikeformers.core.errors import ExportError, ShapeError
from spikeformers.export.onnx import run_onnx, to_onnx
from spikeformers.models.base import MODELS, SpikingModel


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["sdt_v1_tiny", "tim_tiny"])
def test_a_file_gives_the_logits_of_the_model_for_another_batch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs onnx and onnxscript")
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model = create_model(name, timesteps=2)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.weight, 1.0, 2.0)
            nn.init.uniform_(module.bias, 0.0, 1.0)
    shape = (model.config.in_channels, *model.config.image)
    with torch.no_grad():
        model(torch.rand(4, *shape) * 3)
    to_onnx(model, tmp_path / "model.onnx")
    assert model.training, "a copy is exported"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    images = torch.rand(5, *shape) * 3
    model.eval()
    with torch.no_grad():
        logits = model.readout(model(images))
    assert logits.std() > 0, "a silent model proves nothing"
    torch.testing.assert_close(run_onnx(tmp_path / "model.onnx", images), logits, rtol=1e-4, atol=1e-4)
    with pytest.raises(ExportError, match=r"onnxruntime refuses 'model.onnx' or its input"):
        run_onnx(tmp_path / "model.onnx", images[:, :1])


def test_an_example_of_one_sample_is_refused(tmp_path: Path) -> None:
    model = create_model("spikformer_tiny", img_size=8)
    with pytest.raises(ShapeError, match=r"must be .* with B ≥ 2"):
        to_onnx(model, tmp_path / "model.onnx", torch.rand(1, 3, 8, 8))
    with pytest.raises(ExportError, match=r"there is no folder"):
        to_onnx(model, tmp_path / "nowhere" / "model.onnx")


def test_missing_packages_are_named_with_the_extra_that_adds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = create_model("spikformer_tiny", img_size=8, timesteps=1)
    with pytest.raises(ExportError, match=r"needs the package onnxscript; pip install 'spikeformers\[export\]'"):
        to_onnx(model, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match=r"needs the package onnxruntime; pip install 'spikeformers\[export\]'"):
        run_onnx(tmp_path / "model.onnx", torch.rand(2, 3, 8, 8))


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(ExportError, match=r"there is no file 'none.onnx'"):
        run_onnx(tmp_path / "none.onnx", torch.rand(2, 3, 8, 8))
    (tmp_path / "broken.onnx").write_text("no protobuf", encoding="utf-8")
    with pytest.raises(ExportError, match=r"onnxruntime refuses 'broken.onnx'"):
        run_onnx(tmp_path / "broken.onnx", torch.rand(2, 3, 8, 8))
    with pytest.raises(ExportError, match=r"the images are torch.bfloat16"):
        run_onnx(tmp_path / "broken.onnx", torch.rand(2, 3, 8, 8).bfloat16())


def test_a_file_of_another_writer_is_refused_by_its_names(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match=r"'other.onnx' is not of to_onnx: it has \['x', 'y'\]"):
        run_onnx(tmp_path / "other.onnx", torch.rand(1))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.skipif("ALL_ONNX" not in os.environ, reason="several minutes; ALL_ONNX=1 asks for it")
@pytest.mark.parametrize("family", MODELS.families())
def test_every_family_is_written(family: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs onnx and onnxscript")
    pytest.importorskip("onnxruntime")
    model = exact(create_model(f"{family}_tiny", timesteps=2))
    to_onnx(model, tmp_path / "model.onnx")
    images = torch.randint(-4, 8, (6, model.config.in_channels, *model.config.image)) / 4
    with torch.no_grad():
        logits = model.readout(model.eval()(images))
    assert logits.std() > 0, "a silent model proves nothing"
    torch.testing.assert_close(run_onnx(tmp_path / "model.onnx", images), logits, rtol=1e-4, atol=1e-4)


def exact(model: SpikingModel) -> SpikingModel:
    """A model in whose convolutions, norms and linear layers nothing is rounded, so that no runtime flips a spike."""
    torch.manual_seed(0)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eps = 0.0
                module.weight.fill_(2.0)
                module.bias.copy_(torch.randint(-4, 13, module.bias.shape) / 4)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                fan = module.weight[0].numel()
                module.weight.copy_((module.weight / module.weight.std() * fan**-0.5 * 16).round() / 16)
    return model
