"""The fused scan on CUDA devices: Triton source emitted from a `Program`."""

import importlib.util
import os

import torch


def verify(device: torch.device, dtype: torch.dtype) -> str | None:
    """Why triton cannot run on tensors like these; None if it can.

    With TRITON_INTERPRET=1, set before triton is imported, its interpreter runs kernels on processors; `auto` never
    comes to that, since the CPU kernels are asked first.
    """
    if dtype not in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        return f"no kernel for {dtype}"
    if device.type != "cuda" and not (device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"):
        return f"tensors are on {device.type}"
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    return None
