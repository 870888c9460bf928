"""The rows of the benchmark: ways to choose a region, each on the same tasks, models and noise."""

from __future__ import annotations

from collections.abc import Callable

from region_core.errors import InputError
from region_core.settings import PRESETS, SearchSettings

from .ablations import GUIDE, ablations, random_anchors
from .baselines.diffedit import diffedit
from .baselines.heatmap import clip_heatmap
from .baselines.reclip import reclip, whole_picture
from .baselines.released import released
from .baselines.simple import best_candidate, best_proposed, centre, found, random_box, salient, true_box
from .painting import Method, Outcome, Setup, edited
from .worlds.task import MeasuredWorld, Task

__all__ = ["METHODS", "NOTES", "OURS", "BASELINES", "chosen", "ours", "settings_of"]


def ours(change: Callable[[Setup], SearchSettings], *, anywhere: bool = False) -> Method:
    """The product's own way, at given settings, with anchors where DINO attends or `anywhere`."""

    def run(task: Task, setup: Setup) -> Outcome:
        features = random_anchors(setup.models.dino(task.picture), setup.seed) if anywhere else None
        result = edited(task, setup.models, setup.inpainter, features=features, settings=change(setup), seed=setup.seed)
        return Outcome(result.image[0], result.box)

    return run


def _preset(name: str) -> Callable[[Setup], SearchSettings]:
    return lambda setup: setup.settings(name)


def _guide(name: str) -> Callable[[Setup], SearchSettings]:
    preset, values = GUIDE[name]
    return lambda setup: setup.settings(preset).with_values(**values)


def _ablation(name: str) -> Callable[[Setup], SearchSettings]:
    return lambda setup: ablations(setup.settings("standard"))[name]


ABLATED = tuple(ablations(SearchSettings()))
OURS: dict[str, Method] = {
    **{name: ours(_preset(name)) for name in PRESETS},
    **{name: ours(_ablation(name)) for name in ABLATED},
    **{name: ours(_guide(name)) for name in GUIDE},
    "standard-anchors": ours(_preset("standard"), anywhere=True),
}
BASELINES: dict[str, Method] = {
    "centre": centre,
    "salient": salient,
    "random": random_box,
    "found": found,
    "clip_heatmap": clip_heatmap(),
    "reclip": reclip,
    "whole_picture": whole_picture,
    "diffedit": diffedit(),
    "released": released(),
    "best_proposed": best_proposed,
    "best_candidate": best_candidate,
    "true_box": true_box,
}
METHODS: dict[str, Method] = {**OURS, **BASELINES}

NOTES: dict[str, str] = {
    "before": "the search before this one (commit 9bbe62d, preset standard), run on the same scenes by a "
    "script outside this tree",
    "centre": "a box of half the picture's sides in its middle",
    "salient": "the strongest piece of the cells that hold 60 % of DINO's attention, whatever the caption",
    "random": "a DINO anchor with a size drawn at random, from the standard preset's windows",
    "found": "where the standard search looks first; nothing is painted",
    "clip_heatmap": "squares are covered one after the other; where the caption's similarity falls most",
    "reclip": "of the boxes that ours proposes, the one that ReCLIP's crop and blurred surroundings prefer",
    "whole_picture": "every box that ours proposes is painted; the published score of the whole picture chooses",
    "true_box": "told where the object is: the painter's own limit",
    "best_candidate": "told which of the standard preset's windows is nearest the object",
    "best_proposed": "told which of the boxes that ours proposes is nearest the object",
    "standard-previews": "no previews: the evidence alone says what is painted",
    "standard+previews": "a preview in each of 10 rounds, however sure the evidence is",
    "standard-crops": "as standard+previews, and the losses read the whole picture only",
    "standard+gumbel": "as standard+previews, and the generator learns by Gumbel-softmax",
    "standard-regions": "the first region alone is painted",
    "standard+halving": "each region from two noises to half way, the better of them to the end",
    "standard-anchors": "anchors at random cells",
    **{
        name: f"preset {name.partition(':')[0]} with point_number / per_image_iteration / max_window_size as named"
        for name in GUIDE
    },
    "released": "the 9 edits of its last round are painted; the 90 it throws away, which cannot "
    "change its answer, are counted and not painted (cost and seconds times 11)",
    "paper": "preset paper: the published method, its defects mended; 10 rounds of one full edit an "
    "anchor, a box drawn again is not painted again",
}


def settings_of(names: list[str], world: MeasuredWorld) -> dict[str, SearchSettings]:
    """What each row is run with in a world, as far as a search's settings say it."""
    changed = ablations(world.settings("standard"))
    changed |= {name: world.settings(preset).with_values(**values) for name, (preset, values) in GUIDE.items()}
    return {
        name: world.settings(name) if name in PRESETS else changed.get(name, world.settings("standard"))
        for name in names
        if name in OURS
    }


def chosen(names: list[str], methods: dict[str, Callable]) -> list[str]:
    """The names without repeats; InputError where one is no method."""
    for name in names:
        if name not in methods:
            raise InputError(f"method '{name}' is not known; choose from {', '.join(methods)}.")
    return list(dict.fromkeys(names))
