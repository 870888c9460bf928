"""Does every setting do something? Each is changed alone, in each preset, and what became different told."""

from __future__ import annotations

import argparse
from typing import Any

import torch
from tqdm import tqdm

from region_core.edit import EditResult
from region_core.settings import SETTINGS, SearchSettings

from .painting import edited
from .worlds.opening import load_models, open_world

# another value of each setting, well away from any preset's
OTHER: dict[str, Any] = {
    "point_number": 3,
    "max_window_size": 4,
    "per_image_iteration": 7,
    "lr": 0.5,
    "loss_alpha": 8.0,
    "loss_beta": 8.0,
    "loss_gamma": 8.0,
    "loss_crop": 3.0,
    "test_alpha": 20.0,
    "test_beta": 20.0,
    "views": 4,
    "steps": 5,
    "guidance_scale": 1.0,
    "strength": 0.6,
    "previews": "always",
    "preview_steps": 2,
    "preview_guidance": 3.0,
    "num_regions": 4,
    "noise_samples": 3,
    "anchor_distance": 9.0,
    "learning": "off",
    "generator_steps": 200,
    "grow_percent": 30.0,
    "feather_percent": 30.0,
    "grow": 9,
    "feather": 12,
    "seed": 7,
}
CHANGES = ("region", "picture", "order", "cost")


def different(before: EditResult, after: EditResult) -> set[str]:
    """Which of CHANGES there are between two edits: the region found, the edited picture, the numbers
    that put the painted regions in order (or which these are), the whole cost."""

    def numbers(result: EditResult) -> list[tuple[Any, ...]]:
        return [(c.box, round(c.deciding, 5), round(c.score, 5)) for c in result.candidates]

    found = {
        "region": before.box != after.box,
        "picture": not torch.equal(before.image, after.image),
        "order": numbers(before) != numbers(after),
        "cost": before.cost.total != after.cost.total,
    }
    return {name for name, there in found.items() if there}


def main(args: argparse.Namespace) -> int:
    """The `settings` command: args as `__main__` reads them."""
    world = open_world("shapes")
    models = load_models("shapes", args.clip, diffusion=True)

    def edit(settings: SearchSettings, number: int) -> EditResult:
        task = world.task("replace", args.seed, number)
        return edited(task, models, world.painter(task, models), settings=settings)

    names = args.names or list(OTHER)
    print(
        f"{args.scenes} replace scenes of seed {args.seed}, previews {args.previews}: in how many of them something "
        "became different where one setting alone was changed\n"
    )
    print("| setting | " + " | ".join(args.presets) + " |")
    print("|---" * (1 + len(args.presets)) + "|")
    # the texts that captions are compared with are encoded by the first edit of a process
    edit(base(world.settings("fast"), args.steps, "never"), 0)
    plain = {
        (preset, n): edit(base(world.settings(preset), args.steps, args.previews), n)
        for preset in tqdm(args.presets, desc="unchanged")
        for n in range(args.scenes)
    }
    for name in names:
        cells = []
        for preset in args.presets:
            if preset in SETTINGS[name].not_in:
                cells.append("not shown")
                continue
            before = base(world.settings(preset), args.steps, args.previews)
            value = other(name, before)
            changed = before.with_values(**{name: value})
            seen = [different(plain[preset, n], edit(changed, n)) for n in range(args.scenes)]
            counts = {what: sum(what in one for one in seen) for what in CHANGES}
            cells.append(f"{value}: " + (", ".join(f"{what} {n}" for what, n in counts.items() if n) or "nothing"))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    return 0


def base(settings: SearchSettings, steps: int, previews: str) -> SearchSettings:
    """A preset with so many steps, to be quick, five rounds and these previews (preset paper has its own)."""
    return settings.with_values(steps=steps, previews=previews, per_image_iteration=5)


def other(name: str, settings: SearchSettings) -> Any:
    """Another value of a setting; learning cannot be off where there are always previews to learn from."""
    if name == "learning":
        return "exact" if settings.learning == "gumbel" else "gumbel" if settings.previews == "always" else OTHER[name]
    return "never" if name == "previews" and settings.previews == "always" else OTHER[name]
