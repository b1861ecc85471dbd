"""ONNX: a trained model as one file of standard operators, for runtimes that know neither spikes nor Python."""

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ExportError, ShapeError
from spikeformers.kernels.dispatch import instead_of_auto
from spikeformers.models.base import SpikingModel

INPUT, OUTPUT = "images", "logits"
"""Names of the input and of the output in a file."""


class _Readout(nn.Module):
    """A model followed by its readout: images to logits [B, K]."""

    def __init__(self, model: SpikingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.readout(self.model(images))


def to_onnx(model: SpikingModel, path: str | Path, example: Tensor | None = None) -> None:
    """Write a model in eval as an ONNX file; it appears whole or not at all.

    The file takes `images` as the model does, any number of them, and gives `logits` [B, K], the readout over all steps.
    Time is written out: a file has the steps T of its example. Neurons become the sums, products and comparisons of their
    equations, so no runtime needs an operator of ours.

    Args:
        model: not changed; a copy is written in eval mode.
        path: of the file.
        example: an input of the shape to come, [B, C, H, W] or [T, B, C, H, W] with B ≥ 2; by default static images.

    Raises:
        ExportError: onnx or onnxscript is not installed, the folder does not exist, or the model has an operation that
            ONNX cannot express.
        ShapeError: the example does not fit the model.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ExportError(f"there is no folder {path.parent} to write {path.name!r} into; create it first")
    if example is None:
        example = _images(model)
    axis = example.dim() - 4
    if axis not in (0, 1) or example.shape[axis] < 2:
        raise ShapeError(
            f"the example has shape {tuple(example.shape)}; it must be [B, C, H, W] or [T, B, C, H, W] with B ≥ 2, "
            "since a batch of one would be written down as the only one that fits"
        )
    deployed = _Readout(deepcopy(model)).eval()
    with torch.no_grad():
        deployed(example)
    program = _program(deployed, example, axis)
    half = path.with_name(path.name + ".tmp")
    try:
        program.save(half)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def run_onnx(path: str | Path, images: Tensor) -> Tensor:
    """Logits [B, K] that onnxruntime computes from a file of `to_onnx`, on the CPU.

    Raises:
        ExportError: onnxruntime is not installed, the file cannot be read or is of another writer, or the images do not
            fit it.
    """
    try:
        from onnxruntime import InferenceSession
        from onnxruntime.capi import onnxruntime_pybind11_state as faults
    except ImportError as error:
        raise ExportError(_missing("onnxruntime", "Running ONNX files")) from error
    if not Path(path).is_file():
        raise ExportError(f"there is no file {Path(path).name!r} in {Path(path).parent}")
    if images.dtype not in (torch.float32, torch.float64):
        raise ExportError(f"the images are {images.dtype}; a file takes those of its model, float32 or float64")
    refusals = (faults.Fail, faults.InvalidArgument, faults.InvalidGraph, faults.InvalidProtobuf)
    refusals += (faults.NotImplemented, faults.RuntimeException)
    try:
        session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
        names = [part.name for part in (*session.get_inputs(), *session.get_outputs())]
        if names != [INPUT, OUTPUT]:
            raise ExportError(
                f"{Path(path).name!r} is not of to_onnx: it has {names} in the place of {INPUT}, {OUTPUT}"
            )
        (logits,) = session.run([OUTPUT], {INPUT: images.detach().cpu().numpy()})
    except refusals as error:
        raise ExportError(f"onnxruntime refuses {Path(path).name!r} or its input: {str(error).strip()}") from error
    return torch.from_numpy(logits)


def _images(model: SpikingModel) -> Tensor:
    weight = next(model.parameters())
    return torch.rand(2, model.config.in_channels, *model.config.image, dtype=weight.dtype, device=weight.device)


def _program(deployed: _Readout, example: Tensor, axis: int) -> Any:
    try:
        import onnxscript  # noqa: F401
        from torch.onnx.errors import OnnxExporterError
    except ImportError as error:
        raise ExportError(_missing("onnxscript", "Writing ONNX")) from error
    with instead_of_auto("reference"), warnings.catch_warnings():
        # The exporter calls parts of torch that torch has since deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return torch.onnx.export(
                deployed,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({axis: torch.export.Dim.DYNAMIC},),
            )
        except OnnxExporterError as error:
            raise ExportError(f"{deployed.model.config.family} cannot be written as ONNX: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The innermost cause of an exporter's error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _missing(package: str, what: str) -> str:
    return f"{what} needs the package {package}; pip install 'spikeformers[export]' adds it"
