"""Several edits of one picture: it is encoded once, and each edit has its own region, prompt, crop and seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .cost import Cost, cost_so_far, progress_scope
from .defaults import plain_defaults
from .edits import EDITED, NO_REGION
from .encode import EncodedPicture, encode_picture, reduced
from .encoders import ClipScorer, DinoEncoder
from .errors import InputError
from .find import Box, Region, Regions, find_regions
from .find.which import choose
from .paint import Edit, Painter, StepInfo, is_paintable, paint_regions, stitch
from .paint.borders import Borders
from .picture import picture_from
from .rank import rank_edits
from .report_text import enlarged, pixels, two_things
from .requests import Request
from .settings import EditSettings


@dataclass(frozen=True)
class Answer:
    """What came of one request: what was found, the edits that were put into the picture and, where there are none,
    the `reason`; `notes` tell of overlaps with earlier edits."""

    request: Request
    regions: Regions
    edits: tuple[Edit, ...] = ()
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def all_notes(self) -> list[str]:
        """What limits the answer, or is odd in what was asked, in sentences."""
        two = two_things(self.request.caption, self.request.prompt)
        return [*self.regions.notes, *self.notes, *two, *(note for one in self.edits for note in enlarged(one))]


@dataclass(frozen=True)
class SeveralEdits:
    """image [1, 3, H, W] with all edits in it, and mask [1, 1, H, W], 0 where it is the source bit for bit; an answer a
    request. `cost` was counted on the models."""

    image: Tensor
    mask: Tensor
    encoded: EncodedPicture
    settings: EditSettings
    answers: list[Answer] = field(default_factory=list)
    cost: Cost = Cost()
    seconds: float = 0.0

    @property
    def edits(self) -> list[Edit]:
        """All that were put into the picture, in that order."""
        return [edit for answer in self.answers for edit in answer.edits]

    @property
    def alpha(self) -> Tensor | None:
        """[1, 1, H, W], the source's."""
        return self.encoded.picture.alpha

    @property
    def box(self) -> Box | None:
        """The box (x0, y0, x1, y1) round all regions that were edited, in whole pixels; None where none was."""
        boxes = [edit.box for edit in self.edits]
        if not boxes:
            return None
        x0, y0, x1, y1 = zip(*boxes, strict=True)
        return min(x0), min(y0), max(x1), max(y1)

    @property
    def verdict(self) -> str:
        """What came of it, in two words."""
        return EDITED if self.edits else NO_REGION

    @property
    def reason(self) -> str:
        """Why nothing was edited; empty where anything was."""
        return "" if self.edits else "; ".join(answer.reason for answer in self.answers)

    @property
    def seed(self) -> int:
        """The seed of the first request's noise."""
        return self.settings.seed


@plain_defaults
def edit_several(
    image: Any,
    requests: Sequence[Request],
    *,
    painter_of: Callable[[str], Painter],
    dino: DinoEncoder | None,
    scorer: ClipScorer,
    settings: EditSettings | None = None,
    encoded: EncodedPicture | None = None,
    on_forward: Callable[[], None] = lambda: None,
    on_step: Callable[[Region, StepInfo], None] = lambda _region, _step: None,
    on_answer: Callable[[SeveralEdits], None] = lambda _: None,
) -> SeveralEdits:
    """The requests one after another on one picture; `painter_of` gives the painter of a prompt.

    Request number n is painted with the noise of `settings.seed` + n. Regions that overlap an earlier edit are painted
    on it, and that is noted; all others on the source. An edit that is no better than none is left out, with a reason.
    image may be None where `encoded` is given. `on_forward` is called after every forward of a model, `on_step` after
    every sampling step, `on_answer` with what there is after every request; each may raise to stop.
    """
    started, settings = time.monotonic(), settings or EditSettings()
    settings.validate()
    if settings.method == "paper":
        raise InputError("the published method makes one edit at a time; choose another preset for several")
    for request in requests:
        request.check()
    before = cost_so_far(None, dino, scorer)
    with progress_scope(on_forward):
        picture = encoded.picture if encoded is not None and image is None else picture_from(image)
        if encoded is None:
            encoded = encode_picture(picture, dino=dino, scorer=scorer)
        elif picture is not encoded.picture:
            encoded = encoded.of(picture)
        source = picture.rgb.float()
        done = SeveralEdits(source, torch.zeros_like(source[:, :1]), encoded, settings)
        painted = Cost()

        def so_far() -> SeveralEdits:
            cost, seconds = cost_so_far(None, dino, scorer) - before + painted, time.monotonic() - started
            return replace(done, image=picture.restored(done.image, done.mask), cost=cost, seconds=seconds)

        for number, request in enumerate(requests):
            one, painter = settings.with_values(seed=(settings.seed + number) % 2**64), painter_of(request.prompt)
            earlier = cost_so_far(painter, None, None)
            done = _one_more(done, request, painter, scorer, one, on_step)
            painted += cost_so_far(painter, None, None) - earlier
            on_answer(so_far())
        return so_far()


def _one_more(
    done: SeveralEdits,
    request: Request,
    painter: Painter,
    scorer: ClipScorer,
    settings: EditSettings,
    on_step: Callable[[Region, StepInfo], None],
) -> SeveralEdits:
    encoded = done.encoded
    regions = find_regions(encoded, request.caption, scorer=scorer, settings=settings.find)
    without = None
    if request.without and regions.found:
        without = find_regions(encoded, request.without, scorer=scorer, settings=settings.find)
    chosen = choose(regions, request.which, request.place, without)
    answer = Answer(request, regions, reason=regions.why)
    if regions.found and not chosen:
        others = len(choose(regions, "all", without=without))
        few = f"{request.which} was asked for, and of {request.caption!r} {others} were found"
        answer = replace(
            answer, reason=few if others else f"all that was found for {request.caption!r} is {request.without!r}"
        )
    for region in chosen:
        if is_paintable(region, painter.size):
            done, answer = _painted(done, answer, region, painter, scorer, settings, partial(on_step, region))
        elif not answer.edits:
            answer = replace(answer, reason="what was found is too small to be painted")
    return replace(done, answers=[*done.answers, answer])


def _painted(
    done: SeveralEdits,
    answer: Answer,
    region: Region,
    painter: Painter,
    scorer: ClipScorer,
    settings: EditSettings,
    on_step: Callable[[StepInfo], None],
) -> tuple[SeveralEdits, Answer]:
    """One region of a request, painted on what is there and put in where it is better than none."""
    base, request = done.encoded, answer.request
    height, width = base.picture.rgb.shape[-2:]
    x0, y0, x1, y1 = Borders.round(region.box, settings.paint).touched(region.box, height, width)
    if bool((done.mask[..., y0:y1, x0:x1] > 0).any()):  # an earlier edit is the picture here
        small = reduced(done.image)
        picture = replace(base.picture, rgb=done.image, own=None)
        base = replace(base, picture=picture, small=small, embedding=scorer.encode_images(small))
        note = f"the region at {pixels(region.box)}, with its border, overlaps an earlier edit"
        answer = replace(answer, notes=(*answer.notes, note))
    made = paint_regions(base.picture, [region], painter, seed=settings.seed, settings=settings.paint, on_step=on_step)
    edit = rank_edits(made, base, request.caption, request.prompt, scorer=scorer, settings=settings.rank)[0]
    if not edit.improves:
        return done, answer if answer.edits else replace(answer, reason="the edit is no better than leaving it alone")
    image, mask = stitch(done.image, edit.crop, edit.painted)
    done = replace(done, image=image, mask=torch.maximum(done.mask, mask))
    return done, replace(answer, edits=(*answer.edits, edit), reason="")
