"""Devices that torch has here, and what is said of one that it hasn't."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def why_not(device: "str | torch.device") -> str:
    """Why tensors can't be put on a device, in one line that names it and what there is; "" where they can.

    >>> why_not("cpu")
    ''
    >>> why_not("toaster")
    "device 'toaster' can't be used: it is no device; there is cpu: write cpu, cuda, cuda:1 or mps"
    """
    import torch

    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError, ValueError):
        told, remedy = "it is no device", "write cpu, cuda, cuda:1 or mps"
        return f"device {str(device)!r} can't be used: {told}; there is {_there(short=True)}: {remedy}"
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted.type == "cuda" and not gpus:
        built = torch.backends.cuda.is_built()
        told = "this torch sees no CUDA GPU" if built else "this torch is built without CUDA"
        remedy = "set device: cpu, or use a machine with a GPU and torch for it"
    elif wanted.type == "cuda" and (wanted.index or 0) >= gpus:
        told, remedy = f"there is no GPU of number {wanted.index}", "set device to one of these"
    elif wanted.type == "mps" and not torch.backends.mps.is_available():
        told, remedy = "it is Apple's GPU, which isn't there", "set device: cpu"
    elif wanted.type in ("cpu", "cuda", "mps") or _works(wanted):
        return ""
    else:
        told, remedy = "torch can't compute on it here", "set device: cpu"
    return f"device {str(device)!r} can't be used: {told}; there is {_there()}: {remedy}"


def _there(*, short: bool = False) -> str:
    """What there is, in words."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ["cpu", *(["mps"] if torch.backends.mps.is_available() else [])]
    names += ["cuda"] if short and gpus else [f"cuda:{number}" for number in range(gpus)]
    return ", ".join(names)


def _works(device: "torch.device") -> bool:
    import torch

    try:
        return float(torch.ones(1, device=device).sum()) == 1
    except (RuntimeError, AssertionError, NotImplementedError, ImportError):
        return False
