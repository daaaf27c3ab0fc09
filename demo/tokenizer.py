"""Train the byte-level BPE tokenizer that both demo models share.

    python demo/tokenizer.py --build build/

4,096 tokens; id 0 is ``<|endoftext|>``, which is put before each document (it is the BOS token too).
"""

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 4096
END_OF_TEXT = "<|endoftext|>"


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of VOCABULARY tokens that prepends END_OF_TEXT to every document."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A", special_tokens=[(END_OF_TEXT, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )


def read_texts(path: Path) -> list[str]:
    """The ``text`` column of a jsonl file."""
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    build = parser.parse_args().build
    texts = read_texts(build / "train.jsonl")
    tokenizer = train_tokenizer(texts)
    tokenizer.save_pretrained(build / "tokenizer")
    sample = texts[:500]
    pieces = sum(map(len, tokenizer(sample)["input_ids"]))
    print(f"{len(tokenizer)} tokens; {sum(map(len, sample)) / pieces:.2f} characters a token")


if __name__ == "__main__":
    main()
