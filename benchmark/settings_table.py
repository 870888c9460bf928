"""Does every setting do something? Each is changed alone, in each preset, and what became different told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from region_core import PRESETS, Edits, EditSettings
from region_core.errors import InputError
from region_core.settings import SETTINGS, preset

from .painting import edited
from .worlds.opening import load_models, open_world

# another value of each setting, well away from any preset's
OTHER: dict[str, Any] = {
    "point_number": 3,
    "max_window_size": 4,
    "num_regions": 4,
    "steps": 5,
    "guidance_scale": 1.0,
    "strength": 0.6,
    "grow_percent": 30.0,
    "feather_percent": 30.0,
    "grow": 9,
    "feather": 12,
    "mask_shape": "object",
    "test_alpha": 20.0,
    "test_beta": 20.0,
    "seed": 7,
    "per_image_iteration": 7,
    "lr": 0.5,
    "learning": "exact",
    "generator_steps": 200,
    "loss_alpha": 8.0,
    "loss_beta": 8.0,
    "loss_gamma": 8.0,
    "views": 4,
    "anchor_distance": 9.0,
}
CHANGES = ("region", "picture", "order", "cost")
QUICK = {"per_image_iteration": 5}


def different(before: Edits, after: Edits) -> set[str]:
    """Which of CHANGES there are between two edits: the region found, the edited picture, the numbers that put the
    painted regions in order (or which these are), the whole cost."""

    def numbers(edits: Edits) -> list[tuple[Any, ...]]:
        return [(one.box, round(one.rank_score, 5), round(one.score, 5)) for one in edits]

    found = {
        "region": before.box != after.box,
        "picture": not torch.equal(before.image, after.image),
        "order": numbers(before) != numbers(after),
        "cost": before.cost.total != after.cost.total,
    }
    return {name for name, there in found.items() if there}


def reads(name: str, settings: EditSettings) -> bool:
    """Whether the settings' method reads a setting: the published one does not find, the other reads nothing of it."""
    stages, never = set(SETTINGS[name].stages), "find" if settings.method == "paper" else "paper"
    return not stages or stages != {never}


def table(
    scenes: int, seed: int, clip: str, steps: int, presets: Sequence[str] = (), names: Sequence[str] = ()
) -> Iterator[str]:
    """The lines of the `settings` command's table. InputError for a preset or a setting that is none."""
    for name in presets:
        preset(name)
    for name in names:
        if name not in OTHER:
            raise InputError(f"names has '{name}', which is no setting; choose from {', '.join(OTHER)}.")
    presets = list(presets or PRESETS)
    world = open_world("shapes")
    models = load_models("shapes", clip, diffusion=True)

    def edit(settings: EditSettings, number: int) -> Edits:
        task = world.task("replace", seed, number)
        return edited(task, models, world.painter(task, models), settings=settings)

    yield f"{scenes} replace scenes of seed {seed}: in how many of them something became different\n"
    yield "| setting | " + " | ".join(presets) + " |"
    yield "|---" * (1 + len(presets)) + "|"
    base = {name: world.settings(name).with_values(steps=steps, **QUICK) for name in presets}
    # the texts that captions are compared with are encoded by the first edit of a process
    edit(world.settings("fast").with_values(steps=1), 0)
    plain = {(name, n): edit(settings, n) for name, settings in base.items() for n in range(scenes)}
    for name in names or OTHER:
        cells = []
        for own, settings in base.items():
            if not reads(name, settings):
                cells.append("not read")
                continue
            changed = settings.with_values(**{name: OTHER[name]})
            seen = [different(plain[own, n], edit(changed, n)) for n in range(scenes)]
            counts = {what: sum(what in one for one in seen) for what in CHANGES}
            told = ", ".join(f"{what} {n}" for what, n in counts.items() if n) or "nothing"
            cells.append(f"{OTHER[name]}: {told}")
        yield f"| {name} | " + " | ".join(cells) + " |"
