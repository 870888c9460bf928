"""The rows of the benchmark: ways to choose a region, each on the same tasks, models and noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from region_core import PRESETS, EditSettings
from region_core.errors import InputError

from .baselines.diffedit import diffedit
from .baselines.heatmap import clip_heatmap
from .baselines.maps import LEVELS, cam_cut, relevance_cut
from .baselines.reclip import reclip, whole_picture
from .baselines.released import released
from .baselines.simple import best_candidate, centre, everything, found, random_box, salient, true_box
from .painting import Method, Outcome, Setup, edited
from .worlds.task import MeasuredWorld, Task

# The three settings that the published method's guides recommend: (point_number, per_image_iteration,
# max_window_size), from quick to thorough
RECOMMENDED = ((5, 10, 5), (10, 15, 9), (20, 20, 12))
GUIDE: dict[str, dict[str, object]] = {
    f"paper:{points}/{rounds}/{window}": {
        "point_number": points,
        "per_image_iteration": rounds,
        "max_window_size": window,
    }
    for points, rounds, window in RECOMMENDED
}


def ours(change: Callable[[Setup], EditSettings]) -> Method:
    """The product's own way, at given settings."""

    def run(task: Task, setup: Setup) -> Outcome:
        edits = edited(task, setup.models, setup.painter, settings=change(setup), seed=setup.seed)
        region = None if edits.best is None else edits.best.region
        return Outcome(edits.image[0], region, edits.relevance)

    return run


def _preset(name: str, **values: object) -> Method:
    return ours(lambda setup: setup.settings(name).with_values(**values))


METHODS: dict[str, Method] = {
    **{name: _preset(name) for name in PRESETS},
    "object": _preset("standard", mask_shape="object"),
    **{name: _preset("paper", **values) for name, values in GUIDE.items()},
    "found": found,
    **{f"map:{level}": relevance_cut(level) for level in LEVELS},
    **{f"cam:{level}": cam_cut(level) for level in LEVELS},
    "centre": centre,
    "everything": everything,
    "salient": salient,
    "random": random_box,
    "clip_heatmap": clip_heatmap(),
    "reclip": reclip,
    "whole_picture": whole_picture,
    "diffedit": diffedit(),
    "released": released(),
    "best_candidate": best_candidate,
    "true_box": true_box,
}

NOTES: dict[str, str] = {
    "object": "preset standard, and what is painted has the shape that was found, not its box's",
    "found": "where the standard search looks first; nothing is painted",
    "centre": "a box of half the picture's sides in its middle",
    "everything": "the whole picture",
    "salient": "the strongest piece of the cells that hold 60 % of DINO's attention, whatever the caption",
    "random": "a DINO anchor with a size drawn at random, from the published method's windows",
    "clip_heatmap": "squares are covered one after the other; where the caption's similarity falls most",
    "reclip": "of the regions that ours considers, the one that ReCLIP's crop and blurred surroundings prefer",
    "whole_picture": "every region that ours considers is painted; the published score of the whole picture chooses",
    "true_box": "told where the object is: the painter's own limit",
    "best_candidate": "told which of the regions that ours considers is nearest the object",
    "released": "the 9 edits of its last round are painted; the 90 it throws away, which cannot "
    "change its answer, are counted and not painted (cost and seconds times 11)",
    "paper": "preset paper: the published method, its defects mended; 10 rounds of one full edit an "
    "anchor, a box drawn again is not painted again",
    **{
        f"map:{level}": f"the relevance map alone: the piece at its peak, cut at {level} of its range"
        for level in LEVELS
    },
    **{f"cam:{level}": f"the class activation map of the whole picture, cut at {level}" for level in LEVELS},
    **dict.fromkeys(GUIDE, "point_number / per_image_iteration / max_window_size as named"),
}


def settings_of(names: Iterable[str], world: MeasuredWorld) -> dict[str, EditSettings]:
    """What each row is run with in a world, as far as settings say it."""
    own = {name: world.settings(name) for name in PRESETS}
    own["object"] = own["standard"].with_values(mask_shape="object")
    own |= {name: world.settings("paper").with_values(**values) for name, values in GUIDE.items()}
    return {name: own.get(name, own["standard"]) for name in names}


def chosen(names: list[str]) -> list[str]:
    """The names without repeats; InputError where one is no method."""
    for name in names:
        if name not in METHODS:
            raise InputError(f"method '{name}' is not known; choose from {', '.join(METHODS)}.")
    return list(dict.fromkeys(names))
