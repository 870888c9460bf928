"""Measuring: every method on the same tasks of a world, with each CLIP, against the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.picture_file import save_png

from .ledger import Ledger
from .methods import METHODS, NOTES
from .painting import Kept, Method, Setup
from .pictures import picture_file, shown, write_sheets
from .rows import measure
from .tables import report
from .worlds.task import MeasuredWorld

SEED = 42  # of the noise of task 0; task i has that of 42 + i, the same for every method


@dataclass(frozen=True)
class Plan:
    """What is measured: the methods by name, on tasks number `first` and on, `scenes` of each kind (None: all there
    are).

    `limits`: fewer scenes for some methods. `sheets`: the folder of pictures, or None.
    """

    names: Sequence[str]
    kinds: Sequence[str]
    clips: Sequence[str]
    scenes: int | None
    seed: int = 0
    first: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    sheets: Path | None = None


def read_limits(text: str, names: Sequence[str]) -> dict[str, int]:
    """ "a=5,b=20" as {"a": 5, "b": 20}; InputError where a name is not measured or a number wrong."""
    limits = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, number = part.partition("=")
        if name not in names:
            raise InputError(f"limits names '{name}', which is none of the methods: {', '.join(names)}.")
        if not number.isdecimal() or int(number) < 1:
            raise InputError(
                f"limits gives '{name}' the number '{number}'; give a whole number of at least 1, such as {name}=50."
            )
        limits[name] = int(number)
    return limits


def run(
    plan: Plan,
    world: MeasuredWorld,
    ledger: Ledger,
    load: Callable[[str], Models],
    methods: Mapping[str, Method] = METHODS,
) -> str:
    """Measure what the ledger does not have, and give the report of all it has; `load` gives a CLIP's models."""
    for clip in plan.clips:
        asked = _asked(plan, world, ledger, clip)
        if not asked:
            continue
        models = load(clip)
        encodings: Kept = {}
        for (kind, number), names in tqdm(asked.items(), unit="scene", desc=clip):
            task, shared = world.task(kind, plan.seed, number), Kept()
            for name in names:
                painter = world.painter(task, models)
                setup = Setup(models, painter, world.settings, SEED + number, shared, encodings)
                with setup.counted():
                    outcome = methods[name](task, setup)
                ledger.add(name, measure(outcome, task, world, clip, setup.cost, setup.seconds))
                if plan.sheets is not None:
                    save_png(shown(task, outcome), picture_file(plan.sheets, name, clip, kind, number))
            ledger.write(plan.names)  # after every scene: a stopped run leaves what it has measured
    ledger.write(plan.names)
    results = ledger.results(plan.names)
    if plan.sheets:
        write_sheets(results, plan.sheets)
    return report(results, world.name, plan.seed, NOTES, world.groups)


def _asked(plan: Plan, world: MeasuredWorld, ledger: Ledger, clip: str) -> dict[tuple[str, int], list[str]]:
    """(kind, number of the task) -> the methods that have not been measured on it."""
    asked: dict[tuple[str, int], list[str]] = {}
    for kind in plan.kinds:
        there = world.count(kind)
        ends = [end for end in (there, None if plan.scenes is None else plan.first + plan.scenes) if end is not None]
        if not ends:
            raise InputError(f"scenes is not given, and those of {world.name} have no end; say how many.")
        for number in range(plan.first, min(ends)):
            names = [
                name
                for name in plan.names
                if not ledger.has(name, clip, kind, number) and number - plan.first < plan.limits.get(name, min(ends))
            ]
            if names:
                asked[kind, number] = names
    # scene by scene, so that a run that is stopped has all kinds of what it did; and what is asked of one photograph
    # together, for it is encoded once
    return dict(sorted(asked.items(), key=lambda one: (world.source(*one[0]), one[0][1])))
