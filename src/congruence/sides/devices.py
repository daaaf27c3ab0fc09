"""Where a model runs and in which numbers, where the configuration leaves that open."""

import sys
from pathlib import Path

_GPU_NODES = ("/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""What a Linux machine has under /dev where torch could use a GPU."""


def device_of(device: str) -> str:
    """The device itself where the configuration says ``auto``."""
    if device != "auto":
        return device
    if sys.platform == "linux" and not any(Path(node).exists() for node in _GPU_NODES):
        return "cpu"  # told without torch, whose import takes longer than a finished run started again
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_of(dtype: str, device: str) -> str:
    """float32 on a CPU, the stored type elsewhere, unless the configuration says which."""
    if dtype != "auto":
        return dtype
    return "float32" if device_of(device) == "cpu" else "auto"
