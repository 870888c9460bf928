"""Which classes of a classifier does a noun mean? By WordNet's hierarchy of nouns."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from region_core.errors import InputError

FOLDERS = (Path("/usr/share/wordnet"), Path("/usr/local/share/wordnet"), Path("/opt/homebrew/share/wordnet/dict"))
NEAR = 12  # classes that stand for a noun of which none is a kind
IS_A = ("@", "@i")  # pointers to what a thing is a kind, or an instance, of


class Nouns:
    """WordNet's nouns, read from its `data.noun` and `index.noun`: senses by their eight digits."""

    def __init__(self, folder: Path) -> None:
        self.above: dict[str, list[str]] = {}
        self.senses: dict[str, list[str]] = {}
        for fields in _lines(folder / "data.noun"):
            pointers = fields[4 + 2 * int(fields[3], 16) :]
            count = int(pointers[0])
            each = [pointers[1 + 4 * i : 5 + 4 * i] for i in range(count)]
            self.above[fields[0]] = [offset for symbol, offset, *_ in each if symbol in IS_A]
        for fields in _lines(folder / "index.noun"):
            self.senses[fields[0].replace("_", " ")] = fields[-int(fields[2]) :]
        self._steps: dict[str, dict[str, int]] = {}

    def steps_up(self, sense: str) -> dict[str, int]:
        """All that a sense is a kind of, itself included, and how many steps above it stands."""
        if sense not in self._steps:
            steps = {sense: 0}
            for parent in self.above[sense]:
                for kind, count in self.steps_up(parent).items():
                    steps[kind] = min(steps.get(kind, count + 1), count + 1)
            self._steps[sense] = steps
        return self._steps[sense]

    def classes_of(self, noun: str, classes: list[str]) -> dict[int, float]:
        """The places in `classes` (senses) that a noun means, with their weights; none where it is no noun.

        Those that are a kind of its first sense that has any; where none has, those nearest by way of what both are a
        kind of, a step away worth e^-1.
        """
        for sense in self.senses.get(noun, []):
            if kinds := {i: 1.0 for i, one in enumerate(classes) if sense in self.steps_up(one)}:
                return kinds
        if noun not in self.senses:
            return {}
        own = self.steps_up(self.senses[noun][0])
        steps = []
        for place, one in enumerate(classes):
            both = [own[kind] + count for kind, count in self.steps_up(one).items() if kind in own]
            steps.append((min(both, default=99), place))
        steps.sort()
        return {place: 2.718 ** (steps[0][0] - count) for count, place in steps[:NEAR]}


def _lines(file: Path) -> list[list[str]]:
    """The fields of each line but the licence's, which are indented, without the gloss."""
    with file.open(encoding="utf-8") as lines:
        return [line.split(" | ")[0].split() for line in lines if not line.startswith("  ")]


@lru_cache(1)
def load_nouns() -> Nouns:
    """The installed WordNet's; InputError where there is none."""
    for folder in FOLDERS:
        if (folder / "data.noun").is_file():
            return Nouns(folder)
    raise InputError("WordNet's nouns are not there; install Debian's wordnet-base (apt-get install wordnet-base).")
