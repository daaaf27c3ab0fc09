"""Small random language models in their real classes, each saved as a folder with a small tokenizer."""

from pathlib import Path

import torch

TEXTS = [
    "The old king looked at the sea. He was happy to see the ships come home!",
    "A small child ran through the garden, past the well and the apple tree.",
    "In winter the river froze; nobody could cross it by boat.\n\nIn spring it was free again.",
    "She said: \u201cI have never seen a caf\u00e9 like this one\u201d \u2014 and laughed.",
] * 3

VOCABULARY = 320
SPECIAL = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SIZES = {
    **SPECIAL, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 64,
}  # fmt: skip
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}

CONFIGS: dict[str, tuple[str, dict]] = {
    "gpt2": ("GPT2Config", {**SPECIAL, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "gpt_neo": (
        "GPTNeoConfig",
        {**SPECIAL, "hidden_size": 32, "num_layers": 3, "num_heads": 4, "max_position_embeddings": 64,
         "attention_types": [[["global", "local", "global"], 1]], "window_size": 4},
    ),
    "gpt_neox": ("GPTNeoXConfig", SIZES),
    "gpt_neox_sequential": ("GPTNeoXConfig", {**SIZES, "use_parallel_residual": False}),
    "llama": ("LlamaConfig", GROUPED),
    "mistral": ("MistralConfig", {**GROUPED, "sliding_window": 4}),
    "qwen2": ("Qwen2Config", GROUPED),
    "qwen3": ("Qwen3Config", GROUPED),
    "gemma": ("GemmaConfig", GROUPED),
    "gemma2": ("Gemma2Config", {**GROUPED, "sliding_window": 4}),
    "gemma3": ("Gemma3TextConfig", {**GROUPED, "sliding_window": 4}),
    "olmo": ("OlmoConfig", SIZES),
    "olmo2": ("Olmo2Config", SIZES),
    "phi": ("PhiConfig", SIZES),
    "opt": (
        "OPTConfig",
        {**SPECIAL, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 48,
         "max_position_embeddings": 64, "word_embed_proj_dim": 32},
    ),
    "opt_post_norm": (
        "OPTConfig",
        {**SPECIAL, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 48,
         "max_position_embeddings": 64, "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    ),
    "bert": ("BertConfig", SIZES),
    "roberta": ("RobertaConfig", SIZES),
    "distilbert": (
        "DistilBertConfig",
        {"vocab_size": VOCABULARY, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48,
         "pad_token_id": 0, "max_position_embeddings": 64},
    ),
    "modernbert": ("ModernBertConfig", {**SIZES, "cls_token_id": 1, "sep_token_id": 2}),
}  # fmt: skip

MASKED = ("bert", "roberta", "distilbert", "modernbert")
FINAL_NORMS = {
    "gpt2": "transformer.ln_f", "gpt_neo": "transformer.ln_f", "gpt_neox": "gpt_neox.final_layer_norm",
    "gpt_neox_sequential": "gpt_neox.final_layer_norm", "phi": "model.final_layernorm",
    "opt": "model.decoder.final_layer_norm", "modernbert": "model.final_norm",
    "opt_post_norm": "model.decoder.project_out", "bert": None, "roberta": None, "distilbert": None,
}  # fmt: skip
"""What follows the last block, nearly always a norm: `model.norm` in families not named, None for nothing."""


def tokenizer(texts=TEXTS, *, vocabulary: int = VOCABULARY, bos: bool = False, kind: str = "bytes"):
    """A tokenizer trained on `texts`: byte-level BPE ("bytes"), or SentencePiece-like BPE ("metaspace")."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<unk>"]
    options = {"vocab_size": vocabulary, "special_tokens": special, "show_progress": False}
    if kind == "bytes":
        raw = Tokenizer(models.BPE())
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        raw.decoder = decoders.ByteLevel()
        options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
    else:
        raw = Tokenizer(models.BPE(unk_token="<unk>"))
        raw.pre_tokenizer = pre_tokenizers.Metaspace()
        raw.decoder = decoders.Metaspace()
    raw.train_from_iterator(texts, trainers.BpeTrainer(**options))
    if bos:
        raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    names = dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=raw, **names)


def module(family: str, *, seed: int = 0, **changes):
    """A random model of a family; every weight is noisy, so that norms and biases matter."""
    import transformers

    name, options = CONFIGS[family]
    config = getattr(transformers, name)(**{**options, **changes})
    auto = transformers.AutoModelForMaskedLM if family in MASKED else transformers.AutoModelForCausalLM
    torch.manual_seed(seed)
    model = auto.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def save(
    folder: Path, family: str, *, seed: int = 0, bos: bool = False, kind: str = "bytes", **changes
) -> Path:
    """Write a model with its tokenizer as Hugging Face does."""
    module(family, seed=seed, **changes).save_pretrained(folder)
    tokenizer(bos=bos, kind=kind).save_pretrained(folder)
    return folder
