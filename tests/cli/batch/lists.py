"""Lists of edits with pictures of odd names."""

from __future__ import annotations

TEXTS = ["a cat", "a red fox"]
NAMES = [
    "plain.png",
    "with two spaces.png",
    "emoji 🦊.png",
    "一只猫 写真.png",
    "sub/inner.png",
    'quote\'s "n" <b>.png',
    "dots..in...name.png",
    "-dash.png",
    "ünïcödé.png",
]
