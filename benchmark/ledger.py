"""The benchmark's file: rows are added scene by scene, and a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

from region_core.cli.report import versions
from region_core.demo.models import WEIGHTS
from region_core.demo.scenes import KINDS
from region_core.errors import InputError
from region_core.files import write_json
from region_core.settings import SearchSettings

from .judge import WEIGHTS as JUDGE
from .rows import Row
from .tables import means

Results = dict[str, list[Row]]


@cache
def weights_digest() -> str:
    """A short digest of the embedded weights: figures of different weights do not belong together."""
    digest = hashlib.sha256()
    files = {file.relative_to(folder).as_posix(): file for folder in (WEIGHTS, JUDGE.parents[1])
             for file in folder.rglob("*.safetensors")}
    for name in sorted(files):
        digest.update(name.encode() + files[name].read_bytes())
    return digest.hexdigest()[:16]


class Ledger:
    """The rows measured so far, by method, of the scenes of one seed; kept in `file` where given.

    `settings`: what each method was run with, where that is a search's settings.
    """

    def __init__(self, file: Path | None, seed: int, settings: dict[str, SearchSettings]) -> None:
        self.file, self.seed = file, seed
        self.weights = weights_digest()  # now: the files may be others by the time rows are written
        self.settings = {name: asdict(value) for name, value in settings.items()}
        self.rows: dict[str, dict[tuple[str, int], Row]] = {}
        self.kept: dict[str, dict] = {}
        if file is not None and file.exists():
            self._load(file)

    def _load(self, file: Path) -> None:
        way = "name another file, or remove this one"
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
            seed, weights, methods = report["seed"], report["weights"], report["methods"]
            for name, entry in methods.items():
                rows = [Row(**row) for row in entry["per_scene"]]
                self.rows[name] = {row.key: row for row in rows}
                self.kept[name] = entry.get("settings") or {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"json is '{file}', which is no file of this benchmark; {way}.") from None
        if seed != self.seed:
            raise InputError(f"json is '{file}', which holds scenes of seed {seed}, and seed is "
                             f"{self.seed}; {way}.")
        if weights != self.weights:
            raise InputError(f"json is '{file}', which was measured with other weights of the "
                             f"models; {way}.")

    def check(self, names: list[str]) -> None:
        """Raise InputError where rows of a method in `names` were made with other settings."""
        for name in names:
            if self.rows.get(name) and name in self.settings and self.kept.get(name) != _plain(
                    self.settings[name]):
                changed = sorted(key for key in {*self.kept[name], *self.settings[name]}
                                 if self.kept[name].get(key) != _plain(self.settings[name]).get(key))
                raise InputError(f"json is '{self.file}', whose rows of '{name}' were made with "
                                 f"another {changed[0]}; name another file, or measure them again "
                                 f"with --redo {name}.")

    def forget(self, names: list[str]) -> None:
        """Drop the rows of some methods, to be measured again."""
        for name in names:
            self.rows.pop(name, None)

    def has(self, name: str, kind: str, scene: int) -> bool:
        """Whether this was measured."""
        return (kind, scene) in self.rows.get(name, {})

    def add(self, name: str, row: Row) -> None:
        """Take in a row."""
        self.rows.setdefault(name, {})[row.key] = row

    def results(self, first: list[str]) -> Results:
        """The rows of every method, scene by scene, the methods in `first` first."""
        names = [*first, *(n for n in self.rows if n not in first)]
        return {n: sorted(self.rows[n].values(), key=lambda r: (r.scene, KINDS.index(r.kind)))
                for n in names if self.rows.get(n)}

    def write(self, first: list[str]) -> None:
        """Write the file anew: it is whole at any moment."""
        if self.file is None:
            return
        results = self.results(first)
        kinds = list(dict.fromkeys(r.kind for rows in results.values() for r in rows))
        methods = {}
        for name, rows in results.items():
            by_kind = {k: means([r for r in rows if r.kind == k]) for k in kinds}
            methods[name] = {**means(rows), "kinds": by_kind,
                             "settings": self.settings.get(name) or self.kept.get(name),
                             "per_scene": [asdict(r) for r in rows]}
        write_json(self.file, {
            "scenes": len({r.scene for rows in results.values() for r in rows}),
            "seed": self.seed, "kind": ",".join(kinds), "weights": self.weights,
            "versions": versions(), "methods": methods})


def _plain(settings: dict) -> dict:
    """Settings as JSON gives them back."""
    return json.loads(json.dumps(settings))


