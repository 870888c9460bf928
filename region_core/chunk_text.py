"""Texts longer than an encoder reads, parted into pieces that it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def pieces_that_fit(text: str, fits: Callable[[str], bool]) -> list[str]:
    """The text as pieces, each as long as `fits` allows; none for a text without words.

    Words stay whole. One that does not fit alone (a sentence in Chinese, which has no spaces, or a URL) is
    parted between characters. Raises ValueError where not even a character fits.
    """
    words, pieces = text.split(), []
    while words:
        count = _most(words, " ", fits)
        if count:
            pieces.append(" ".join(words[:count]))
            del words[:count]
            continue
        word = words[0]
        count = _most(word, "", fits)
        if not count:
            raise ValueError(f"not even {word[0]!r} fits")
        pieces.append(word[:count])
        words[0] = word[count:]
    return pieces


def _most(parts: Sequence[str], between: str, fits: Callable[[str], bool]) -> int:
    """How many of the first parts fit together: doubled until they do not, then halved between."""
    low, high = 0, 1
    while high <= len(parts) and fits(between.join(parts[:high])):
        low, high = high, high * 2
    high = min(high, len(parts) + 1)  # that many do not fit, or are not there
    while high - low > 1:
        middle = (low + high) // 2
        if fits(between.join(parts[:middle])):
            low = middle
        else:
            high = middle
    return low
