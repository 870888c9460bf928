"""One currency of cost: everything an edit does, in UNet evaluations of the model that paints.

A small world's encoders cost something else beside its UNet than real ones do, so passes are counted on
the models and priced at the ratio of full-size ones: OpenAI's CLIP ViT-B/16 at 224 pixels, DINO ViT-B/8
at 256, Stable Diffusion 2 inpainting at 512. `python -m benchmark currency` builds these models and
counts their operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

# GFLOP (a multiplication and an addition are two) of one pass of one picture or text. The UNet's is the
# published 0.68 TFLOP; with attention's products it is 0.80, by which all else would look cheaper.
GFLOP = {
    "unet_evaluations": 680.0,
    "clip_images": 35.1,
    "clip_texts": 6.0,
    "dino_images": 213.1,
    "vae_encodings": 1116.7,
    "vae_decodings": 2514.5,
}
PRICE = {name: flops / GFLOP["unet_evaluations"] for name, flops in GFLOP.items()}


@dataclass(frozen=True)
class Cost:
    """Passes through each model, of one picture (text) at its native size.

    A pass at another size counts by its share of pixels: at half the side it is a quarter.
    """

    unet_evaluations: float = 0
    clip_images: float = 0
    clip_texts: float = 0
    dino_images: float = 0
    vae_encodings: float = 0
    vae_decodings: float = 0

    @property
    def total(self) -> float:
        """All of it in UNet evaluations."""
        return sum(PRICE[field.name] * getattr(self, field.name) for field in fields(self))

    def __sub__(self, other: Cost) -> Cost:
        return Cost(**{name: value - getattr(other, name) for name, value in asdict(self).items()})

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def __mul__(self, times: float) -> Cost:
        return Cost(**{name: value * times for name, value in asdict(self).items()})

    def as_dict(self) -> dict[str, float]:
        """The counts and `total`, as the report has them."""
        return {**asdict(self), "total": round(self.total, 2)}


def cost_so_far(painter: Any, dino: Any, scorer: Any) -> Cost:
    """What went through these models since they were loaded; the cost of a stretch of work is the
    difference of two. A model that does not count, or None, counts as unused.
    """

    def counted(model: Any, name: str) -> float:
        value = getattr(model, name, 0)
        return int(value) if value == int(value) else value

    return Cost(
        unet_evaluations=counted(painter, "evaluations"),
        clip_images=counted(scorer, "images_encoded"),
        clip_texts=counted(scorer, "texts_encoded"),
        dino_images=counted(dino, "images_encoded"),
        vae_encodings=counted(painter, "vae_encodings"),
        vae_decodings=counted(painter, "vae_decodings"),
    )


def work_so_far(painter: Any, dino: Any, scorer: Any) -> float:
    """Their cost in UNet evaluations as `expected_cost` has it: with samplers of several forwards a step, or several
    conditionings, a painter says what its steps would have been without, as `evaluations_by_steps`.
    """
    cost = cost_so_far(painter, dino, scorer)
    evaluations = getattr(painter, "evaluations_by_steps", cost.unet_evaluations)
    return replace(cost, unet_evaluations=evaluations).total


_WATCH: ContextVar[Callable[[], None] | None] = ContextVar("watch", default=None)


@contextmanager
def progress_scope(watch: Callable[[], None]) -> Iterator[None]:
    """Within it `watch` is called after each forward of a model; it may raise to stop."""
    token = _WATCH.set(watch)
    try:
        yield
    finally:
        _WATCH.reset(token)


def on_forward() -> None:
    """Models call this when they have counted a forward."""
    watch = _WATCH.get()
    if watch is not None:
        watch()
