"""File formats of SAEs, one file each; importing this package puts them on the table."""

from congruence.saes.formats import (
    dictionary_learning,
    gemma_scope,
    gemma_scope_2,
    goodfire,
    llama_scope,
    llama_scope_r1,
    llamascopium,
    openai,
    qwen_scope,
    saelens,
    sparsify,
)
from congruence.saes.formats.base import FORMATS, Found, SaeFiles, SaeFormat, register_format

__all__ = [
    "FORMATS",
    "Found",
    "SaeFiles",
    "SaeFormat",
    "dictionary_learning",
    "gemma_scope",
    "gemma_scope_2",
    "goodfire",
    "llama_scope",
    "llama_scope_r1",
    "llamascopium",
    "openai",
    "qwen_scope",
    "register_format",
    "saelens",
    "sparsify",
]
