"""The fused scan on CUDA devices: Triton source emitted from a `Program`."""

import importlib.util
import os

import torch


def verify(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why triton cannot run on tensors like these; None if it can."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if device.type != "cuda" and not interpreted:
        return f"tensors are on {device.type}"
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    return None
