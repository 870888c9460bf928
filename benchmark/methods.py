"""The rows of the benchmark: ways to choose a region, each on the same scene, models and noise."""

from __future__ import annotations

from collections.abc import Callable

from region_core.demo.models import shapes_settings
from region_core.demo.scenes import Edit, Scene
from region_core.edit import edit_image
from region_core.encoders.loading import Models
from region_core.errors import InputError
from region_core.settings import PRESETS, SearchSettings

from .ablations import ablations, random_anchors
from .baselines.diffedit import diffedit
from .baselines.heatmap import clip_heatmap
from .baselines.paper import paper
from .baselines.released import released
from .baselines.simple import best_candidate, best_proposed, exhaustive, random_box, true_box
from .painting import Method, Outcome, inpainter_of, picture_of

__all__ = ["METHODS", "NOTES", "Method", "Outcome", "ours", "picture_of"]


def ours(settings: SearchSettings, *, anywhere: bool = False) -> Method:
    """The product's own way, at given settings, with anchors where DINO attends or `anywhere`."""
    def run(scene: Scene, edit: Edit, models: Models, seed: int) -> Outcome:
        features = random_anchors(models.dino(picture_of(scene)), seed) if anywhere else None
        result = edit_image(picture_of(scene), edit.caption, edit.prompt, features=features,
                            inpainter=inpainter_of(models, edit), dino=models.dino,
                            scorer=models.scorer, settings=settings, seed=seed)
        return Outcome(result.image[0], result.box, result.unet_evaluations)
    return run


# what a row does, as far as a search's settings say it
SETTINGS: dict[str, SearchSettings] = {
    **{name: shapes_settings(name) for name in PRESETS},
    **ablations(shapes_settings("standard")),
}

METHODS: dict[str, Method] = {
    **{name: ours(settings) for name, settings in SETTINGS.items()},
    "standard-anchors": ours(shapes_settings("standard"), anywhere=True),
    "random": random_box,
    "true_box": true_box,
    "best_candidate": best_candidate,
    "best_proposed": best_proposed,
    "exhaustive": exhaustive,
    "released": released(),
    "paper": paper(),
    "diffedit": diffedit(),
    "clip_heatmap": clip_heatmap(),
}

NOTES: dict[str, str] = {
    "random": "a DINO anchor with a size drawn at random, from the standard preset's candidates",
    "true_box": "told where the object is: the inpainting model's own limit",
    "best_candidate": "told which of the standard preset's candidates is nearest the object",
    "best_proposed": "told which of the boxes that the screen ends with is nearest the object",
    "exhaustive": "every candidate of the standard preset at full steps, best final score",
    "standard-screen": "no screen: looks choose, and the generator learns from them",
    "standard-finalists": "the first box alone is painted",
    "standard-refine": "CLIP moves no edges",
    "standard-fit": "DINO fits no box",
    "standard-nms": "anchors may lie side by side",
    "standard-windows": "boxes of at most 6 cells to the side, the published code's default",
    "standard-anchors": "anchors at random cells",
    "standard+looks": "10 rounds of looks beside the screen, and the generator learns from them",
    "standard+halving": "each finalist from two noises to half way, the better of them to the end",
    "standard-screen-learning": "no screen, looks are drawn by chance",
    "standard-screen-crops": "no screen, and losses of the whole picture only",
    "standard-screen-looks": "no screen, and one look in place of ten",
    "released": "the 9 edits of its last round are painted; the 90 it throws away, which cannot "
                "change its answer, are counted and not painted (evaluations and seconds times 11)",
    "paper": "10 rounds of one full edit an anchor, learning repaired; a box drawn again is not "
             "painted again",
}


def chosen(names: list[str], methods: dict[str, Callable]) -> list[str]:
    """The names without repeats; InputError where one is no method."""
    for name in names:
        if name not in methods:
            raise InputError(f"method '{name}' is not known; choose from {', '.join(methods)}.")
    return list(dict.fromkeys(names))
