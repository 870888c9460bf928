"""The rows of the benchmark: ways to choose a region, each on the same scene, models and noise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..edit import edit_image
from ..errors import InputError
from ..generator import load_generator
from ..settings import PRESETS, SearchSettings
from .ablations import ablations, random_anchors
from .baselines.diffedit import diffedit
from .baselines.heatmap import clip_heatmap
from .baselines.paper import paper
from .baselines.released import released
from .baselines.simple import best_candidate, exhaustive, random_box, screen_only, true_box
from .models import ShapesModels, shapes_settings
from .painting import Method, Outcome, inpainter_of, picture_of
from .scenes import Edit, Scene

__all__ = ["METHODS", "NOTES", "Method", "Outcome", "ours", "picture_of", "with_generator"]


def ours(settings: SearchSettings, generator: Path | None = None, *,
         anywhere: bool = False) -> Method:
    """The product's own way, at given settings, started from a saved region generator or none, with
    anchors where DINO attends or `anywhere`.
    """
    def run(scene: Scene, edit: Edit, models: ShapesModels, seed: int) -> Outcome:
        # an edit teaches its generator in place: every scene begins with the saved one
        module = None if generator is None else load_generator(generator)[0]
        features = random_anchors(models.dino(picture_of(scene)), seed) if anywhere else None
        result = edit_image(picture_of(scene), edit.caption, edit.prompt, features=features,
                            inpainter=inpainter_of(models, edit), dino=models.dino,
                            scorer=models.scorer, settings=settings, generator=module, seed=seed)
        return Outcome(result.image[0], result.box, result.unet_evaluations)
    return run


def half_the_looks(settings: SearchSettings) -> SearchSettings:
    """The same settings with half the rounds of looks."""
    return settings.with_values(per_image_iteration=max(1, settings.per_image_iteration // 2))


# what a row does, as far as a search's settings say it
SETTINGS: dict[str, SearchSettings] = {
    **{name: shapes_settings(name) for name in PRESETS},
    "standard-half": half_the_looks(shapes_settings("standard")),
    **ablations(shapes_settings("standard")),
}

METHODS: dict[str, Method] = {
    **{name: ours(settings) for name, settings in SETTINGS.items()},
    "standard-anchors": ours(shapes_settings("standard"), anywhere=True),
    "random": random_box,
    "true_box": true_box,
    "best_candidate": best_candidate,
    "exhaustive": exhaustive,
    "screen_only": screen_only,
    "released": released(),
    "paper": paper(),
    "diffedit": diffedit(),
    "clip_heatmap": clip_heatmap(),
}

NOTES: dict[str, str] = {
    "random": "a DINO anchor with a size drawn at random, from the standard preset's candidates",
    "true_box": "told where the object is: the inpainting model's own limit",
    "best_candidate": "told which of the standard preset's candidates is nearest the object",
    "exhaustive": "every candidate of the standard preset at full steps, best final score",
    "screen_only": "the box CLIP's screen ranks first, fitted by DINO, painted once, no looks",
    "standard-half": "half the rounds of looks",
    "standard-screen": "no screen: looks choose, and the generator learns from them",
    "standard-looks": "one look in place of ten",
    "standard-halving": "one noise for every finalist",
    "standard-refine": "CLIP moves no edges",
    "standard-fit": "DINO fits no box",
    "standard-nms": "anchors may lie side by side",
    "standard-windows": "boxes of at most 6 cells to the side, the published code's default",
    "standard-anchors": "anchors at random cells",
    "standard-screen-learning": "no screen, and the generator does not learn",
    "standard-screen-crops": "no screen, and losses of the whole picture only",
    "standard-screen-looks": "no screen, and one look in place of ten",
    "released": "the 9 edits of its last round are painted; the 90 it throws away, which cannot "
                "change its answer, are counted and not painted (evaluations and seconds times 11)",
    "paper": "10 rounds of one full edit an anchor, learning repaired; a box drawn again is not "
             "painted again",
}


def with_generator(methods: dict[str, Method], file: Path) -> dict[str, Method]:
    """The methods and two more, `prior` and `prior-half`: the standard search, and the same with
    half the looks, both started from the region generator saved in `file`.
    """
    load_generator(file)  # a wrong file is found out before any scene is made
    standard = shapes_settings("standard")
    return {**methods, "prior": ours(standard, file), "prior-half": ours(half_the_looks(standard), file)}


def chosen(names: list[str], methods: dict[str, Callable]) -> list[str]:
    """The names without repeats; InputError where one is no method."""
    for name in names:
        if name not in methods:
            raise InputError(f"method '{name}' is not known; choose from {', '.join(methods)}.")
    return list(dict.fromkeys(names))
