"""The benchmark's file: rows are added scene by scene, and a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from region_core.errors import InputError
from region_core.files import write_json
from region_core.settings import EditSettings

from .rows import Row
from .tables import means

Results = dict[str, list[Row]]
_LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "open_clip_torch", "numpy", "pillow")


def digest_of(folder: Path) -> str:
    """A short digest of a folder's weights: figures of different weights do not belong together."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    config = folder / "open_clip_config.json"
    bend = json.loads(config.read_text(encoding="utf-8")).get("bend") if config.is_file() else None
    if bend is not None:  # the same weights on another scale are another CLIP
        digest.update(json.dumps(bend, sort_keys=True).encode())
    return digest.hexdigest()[:16]


class Ledger:
    """The rows measured so far, by method, of the tasks of one world, painter and seed; kept in `file`
    where given.

    `settings`: what each method was run with, where that is a search's settings.
    """

    def __init__(
        self, file: Path | None, world: str, painter: str, seed: int, settings: dict[str, EditSettings]
    ) -> None:
        self.file, self.world, self.painter, self.seed = file, world, painter, seed
        self.weights: dict[str, str] = {}  # digests of what rows were measured with
        self.settings = {name: value.flat() for name, value in settings.items()}
        self.rows: dict[str, dict[tuple[str, str, int], Row]] = {}
        self.kept: dict[str, dict] = {}
        if file is not None and file.exists():
            self._load(file)

    def _load(self, file: Path) -> None:
        way = "name another file, or remove this one"
        try:
            report = json.loads(file.read_text(encoding="utf-8"))
            of = {key: report[key] for key in ("world", "painter", "seed")}
            self.weights = dict(report["weights"])
            for name, entry in report["methods"].items():
                rows = [Row(**row) for row in entry["per_scene"]]
                self.rows[name] = {row.key: row for row in rows}
                self.kept[name] = entry.get("settings") or {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"json is '{file}', which is no file of this benchmark; {way}.") from None
        for key, value in of.items():
            if value != getattr(self, key):
                raise InputError(
                    f"json is '{file}', whose {key} is '{value}', and {key} is '{getattr(self, key)}'; {way}."
                )

    def use(self, name: str, digest: str) -> None:
        """Note what rows are measured with, such as "CLIP demo"; InputError where there are rows of another."""
        if self.weights.setdefault(name, digest) != digest:
            raise InputError(
                f"json is '{self.file}', whose rows were measured with another {name}; name another file, or remove "
                "this one."
            )

    def check(self, names: list[str]) -> None:
        """Raise InputError where rows of a method in `names` were made with other settings."""
        for name in names:
            if self.rows.get(name) and name in self.settings and self.kept.get(name) != _plain(self.settings[name]):
                changed = sorted(
                    key
                    for key in {*self.kept[name], *self.settings[name]}
                    if self.kept[name].get(key) != _plain(self.settings[name]).get(key)
                )
                raise InputError(
                    f"json is '{self.file}', whose rows of '{name}' were made with "
                    f"another {changed[0]}; name another file, or measure them again "
                    f"with --redo {name}."
                )

    def forget(self, names: list[str]) -> None:
        """Drop the rows of some methods, to be measured again."""
        for name in names:
            self.rows.pop(name, None)

    def has(self, name: str, clip: str, kind: str, scene: int) -> bool:
        """Whether this was measured."""
        return (clip, kind, scene) in self.rows.get(name, {})

    def add(self, name: str, row: Row) -> None:
        """Take in a row."""
        self.rows.setdefault(name, {})[row.key] = row

    def results(self, first: Sequence[str]) -> Results:
        """The rows of every method, scene by scene, the methods in `first` first."""
        names = [*first, *(n for n in self.rows if n not in first)]
        return {n: sorted(self.rows[n].values(), key=lambda r: (r.clip, r.scene)) for n in names if self.rows.get(n)}

    def write(self, first: Sequence[str]) -> None:
        """Write the file anew: it is whole at any moment."""
        if self.file is None:
            return
        methods = {}
        for name, rows in self.results(first).items():
            groups = dict.fromkeys((r.clip, r.kind) for r in rows)
            methods[name] = {
                "means": {
                    f"{clip} {kind}": means([r for r in rows if (r.clip, r.kind) == (clip, kind)])
                    for clip, kind in groups
                },
                "settings": self.settings.get(name) or self.kept.get(name),
                "per_scene": [asdict(r) for r in rows],
            }
        write_json(
            self.file,
            {
                "world": self.world,
                "painter": self.painter,
                "seed": self.seed,
                "weights": self.weights,
                "versions": {
                    "python": platform.python_version(),
                    **{name: metadata.version(name) for name in _LIBRARIES},
                },
                "methods": methods,
            },
        )


def _plain(settings: dict) -> dict:
    """Settings as JSON gives them back."""
    return json.loads(json.dumps(settings))
