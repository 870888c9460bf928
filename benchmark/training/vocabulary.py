"""A byte-level CLIP vocabulary small enough to train with: each word of the world is one token.

The files have the layout of OpenAI's tokenizer (bytes, bytes at a word's end, merges, the two
special tokens last), so `CLIPTokenizer` reads them and any text at all has tokens.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

from region_core.demo.scenes import BACKGROUND, COLORS, SHAPES

START, END = "<|startoftext|>", "<|endoftext|>"
CONTEXT_LENGTH = 77
WORDS = (*COLORS, *SHAPES, BACKGROUND, "a", "and", "high", "quality", "image", "of", ".", ",")
_WORD_END = "</w>"


def _byte_symbols() -> list[str]:
    """One printable character for each byte 0..255, in OpenAI's order (printable bytes first)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    odd = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(odd))]


def _learn_merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Merges in order of rank after which every one of `words` (ASCII) is a single token.

    Learned as byte pair encoding learns them, the commonest pair first: merges written down word by
    word would break one another ("re" of "red" inside "green").
    """
    parts = [[*word[:-1], word[-1] + _WORD_END] for word in dict.fromkeys(words)]
    merges: list[tuple[str, str]] = []
    while any(len(p) > 1 for p in parts):
        pairs = Counter(pair for p in parts for pair in zip(p, p[1:], strict=False))
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for p in parts:
            i = 0
            while i < len(p) - 1:
                if (p[i], p[i + 1]) == best:
                    p[i : i + 2] = ["".join(best)]
                i += 1
    return merges


def build_vocabulary(words: tuple[str, ...] = WORDS) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """(token -> id, merges), each of `words` one token. The end token has the largest id: CLIP's text
    towers pool there."""
    symbols = _byte_symbols()
    merges = _learn_merges(words)
    ends = [s + _WORD_END for s in symbols]
    tokens = [*symbols, *ends, *("".join(m) for m in merges), START, END]
    return {token: i for i, token in enumerate(tokens)}, merges


def write_tokenizer(output_dir: Path, words: tuple[str, ...] = WORDS) -> int:
    """Write a `CLIPTokenizer` folder with each of `words` one token; return the vocabulary's size.

    The folder appears whole or not at all. `tokenizer.json` is left out: readers build it from the
    vocabulary and the merges, which is what older ones know.
    """
    vocabulary, merges = build_vocabulary(words)
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": CONTEXT_LENGTH,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
        "do_lower_case": True,
        "add_prefix_space": False,
        "errors": "replace",
    }
    special = {k: settings[k] for k in ("bos_token", "eos_token", "unk_token", "pad_token")}
    temporary = output_dir.with_name(output_dir.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, content in (
        ("vocab.json", vocabulary),
        ("tokenizer_config.json", settings),
        ("special_tokens_map.json", special),
    ):
        (temporary / name).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(m) for m in merges)]
    (temporary / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.rmtree(output_dir, ignore_errors=True)
    os.replace(temporary, output_dir)
    return len(vocabulary)
