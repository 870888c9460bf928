"""Cost against work: evaluations, seconds and memory of edits of growing size."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from tqdm import tqdm

from region_core.demo.models import shapes_settings
from region_core.encoders.loading import Models
from region_core.files import write_json

FACTORS = (1, 2, 4, 8)
AXES = ("anchors", "windows", "regions", "previews", "side")
SLACK = 1.15  # of the exponent of growth: seconds ~ candidates ** exponent; timings are noisy


@dataclass(frozen=True)
class Cost:
    """One measured edit. `share` is the part of `seconds` spent outside UNet, VAE and encoders;
    `memory` is the most the process held above what it held before the edit, in MiB (NaN where the
    system does not say).
    """

    axis: str
    factor: int
    candidates: int
    looks: int
    side: int
    batch: int
    evaluations: int
    seconds: float
    unet: float
    vae: float
    encoders: float
    share: float
    memory: float


class Clock:
    """Seconds inside groups of functions; a call inside another counted one is not counted again."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inside = False

    @contextmanager
    def watching(self, parts: dict[str, list[tuple[Any, str]]]) -> Iterator[Clock]:
        """Time the named functions of objects, a group a key, while the block runs."""
        spots = [(owner, name) for group in parts.values() for owner, name in group]
        for group, members in parts.items():
            self.seconds.setdefault(group, 0.0)
            for owner, name in members:
                setattr(owner, name, self._timed(getattr(owner, name), group))
        try:
            yield self
        finally:
            for owner, name in spots:
                delattr(owner, name)  # what the class defines shows again

    def _timed(self, function: Any, group: str) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside = True
            _wait()
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                _wait()
                self.seconds[group] += time.perf_counter() - started
                self._inside = False

        return timed


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def parts_of(models: Models) -> dict[str, list[tuple[Any, str]]]:
    """The functions through which the UNet, the VAE and the encoders are run."""
    pipe, scorer = models.pipe, models.scorer  # an encoder scales and normalises for itself
    return {
        "unet": [(pipe.unet, "forward")],
        "vae": [(pipe.vae, "encode"), (pipe.vae, "decode")],
        "encoders": [
            (pipe.text_encoder, "forward"),
            (models.dino, "_encode"),
            (scorer, "encode_images"),
            (scorer, "encode_images_and_tokens"),
            (scorer, "encode_text"),
        ],
    }


def plan(axis: str, factor: int) -> tuple[dict[str, object], int, int]:
    """(settings to change, side of the picture in pixels, batch) of one point of an axis.

    Most begin at an eighth or so of the standard preset, so that eight times as much is not far
    above it; `side` runs over 128, 256, 512, 1024 pixels; `regions` are painted to the end; previews are
    made on one axis alone.
    """
    base: dict[str, object] = {"point_number": 4, "max_window_size": 8, "previews": "never"}
    learns = {**base, "previews": "always"}
    if axis == "anchors":
        return {**base, "point_number": 4 * factor}, 128, 16
    if axis == "windows":
        return {**base, "max_window_size": 2 * factor}, 128, 16
    if axis == "previews":
        return {**learns, "point_number": 9, "max_window_size": 15, "per_image_iteration": 4 * factor}, 128, 16
    if axis == "regions":
        return {**base, "num_regions": factor}, 128, 16
    return base, 128 * factor, 16


def measure_point(axis: str, factor: int, seed: int) -> Cost:
    """One edit of one point, after another that warms up, in this process."""
    from region_core.demo.models import load_shapes_models
    from region_core.demo.worlds import held_out
    from region_core.edit import edit_image
    from region_core.paint.diffusers_painter import DiffusersInpainter

    from .painting import picture_of

    torch.set_num_threads(1)
    change, side, batch = plan(axis, factor)
    settings = shapes_settings("standard").with_values(**change)
    models = load_shapes_models()
    scene, edit = held_out(seed, 0)
    picture = F.interpolate(picture_of(scene), size=(side, side), mode="bicubic").clamp(0, 1)

    def run(some: Any, image: torch.Tensor) -> Any:
        inpainter = DiffusersInpainter(models.pipe, edit.prompt, batch_size=batch)
        return edit_image(
            image, edit.caption, edit.prompt, inpainter=inpainter, dino=models.dino, scorer=models.scorer, settings=some
        )

    run(settings.with_values(per_image_iteration=1, point_number=1, max_window_size=2), picture_of(scene))
    before = memory("VmRSS")
    clock = Clock()
    started = time.perf_counter()
    with clock.watching(parts_of(models)):
        result = run(settings, picture)
    seconds = time.perf_counter() - started
    counted = sum(clock.seconds.values())
    return Cost(
        axis,
        factor,
        settings.point_number * settings.max_window_size,
        len(result.rounds),
        side,
        batch,
        result.unet_evaluations,
        seconds,
        clock.seconds["unet"],
        clock.seconds["vae"],
        clock.seconds["encoders"],
        1 - counted / seconds,
        memory("VmHWM") - before,
    )


def memory(name: str) -> float:
    """A line of /proc/self/status in MiB (VmRSS: held now, VmHWM: the most ever held), else NaN."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return float("nan")


def main(args: argparse.Namespace) -> int:
    """The `cost` command: args.axes, .factors, .seed, .json. A fresh process a point, so that one
    point's memory is not another's.
    """
    points = [(axis, factor) for axis in args.axes for factor in args.factors]
    costs = []
    # a process for each: `max_tasks_per_child` is not in Python 3.10
    for axis, factor in tqdm(points, unit="point"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            costs.append(pool.submit(measure_point, axis, factor, args.seed).result())
    print(report(costs))
    if args.json:
        write_json(args.json, {"seed": args.seed, "platform": sys.platform, "costs": [asdict(c) for c in costs]})
    return 0


def exponent(costs: list[Cost], column: str) -> float:
    """The slope of log(column) over log(factor) from the first point to the last; NaN for one."""
    first, last = costs[0], costs[-1]
    a, b = getattr(first, column), getattr(last, column)
    if first.factor == last.factor or not (a > 0 and b > 0):
        return float("nan")
    return math.log(b / a) / math.log(last.factor / first.factor)


def report(costs: list[Cost]) -> str:
    """The costs as Markdown, and how each axis grows."""
    lines = [
        "| axis | x | candidates | looks | side | batch | UNet evaluations | seconds | UNet s | "
        "VAE s | encoders s | elsewhere | memory MiB |",
        "|" + "---|" * 13,
    ]
    for c in costs:
        lines.append(
            f"| {c.axis} | {c.factor} | {c.candidates} | {c.looks} | {c.side} | {c.batch} | "
            f"{c.evaluations} | {c.seconds:.2f} | {c.unet:.2f} | {c.vae:.2f} | "
            f"{c.encoders:.2f} | {c.share:.1%} | {c.memory:.0f} |"
        )
    lines.append("")
    for axis in dict.fromkeys(c.axis for c in costs):
        some = sorted((c for c in costs if c.axis == axis), key=lambda c: c.factor)
        if len(some) < 2:
            continue
        slope = exponent(some, "seconds")
        # a picture of twice the side has four times the pixels
        limit = SLACK * (2 if axis == "side" else 1)
        word = "superlinear" if slope > limit else "not superlinear"
        lines.append(
            f"{axis}: seconds grow as the power {slope:.2f}, {word}; memory from "
            f"{some[0].memory:.0f} to {some[-1].memory:.0f} MiB.  "
        )
    spent = sum(c.seconds * c.share for c in costs) / sum(c.seconds for c in costs)
    lines.append(
        f"\nOutside UNet, VAE and encoders: {spent:.1%} of all seconds, at most "
        f"{max(c.share for c in costs):.1%} of a run."
    )
    return "\n".join(lines)
