"""Items edited one after another; one's files are written while the next is edited."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import torch

from ...edits import EDITED, Edits
from ...edits_list.items import Item
from ...edits_list.places import Place, thumbs_of
from ...encode import EncodedPicture, key_of
from ...encoders.loading import Models
from ...errors import InputError, escape_for_console
from ...events import Event
from ...files import atomic_write
from ...find import Regions
from ...paper.network import RegionGenerator, check_fit
from ...picture import Picture, to_pil
from ...settings import FindSettings
from ...showing import Showing
from ..engine import Engine
from ..progress import Bar
from ..report import Done, boxes_image, report_of, write_pictures
from ..saved_regions import mask_image, picked
from .plan import BatchJob


class Editor:
    """Edits items with loaded models. Use as a context manager: leaving it waits for the files.

    An item that fails is noted on disk and on stderr, and its place in `failed`. The bar moves within each item.
    """

    def __init__(self, job: BatchJob, engine: Engine, bar: Bar) -> None:
        self.job, self.engine, self.bar = job, engine, bar
        self.failed: set[int] = set()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="saving")
        self._saving: tuple[int, str, Future] | None = None
        self._encoded: EncodedPicture | None = None
        self._regions: dict[tuple[str, FindSettings], Regions] = {}

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_raised: object) -> None:
        try:
            self.flush()
        finally:
            self._pool.shutdown()

    @cached_property
    def models(self) -> Models:
        """The models, loaded when they are first asked for."""
        models = self.engine.load(self.job.choice)
        if self.job.generator is not None:
            for item in self.job.items:
                check_fit(self.job.generator, "load_checkpoint_path", models.dino.feature_dim, item.settings.paper)
        return models

    def edit(
        self, index: int, generator: RegionGenerator | None, stamp: str, also: Callable[[Done], None] = lambda _: None
    ) -> None:
        """Edit an item and hand its files to the writer.

        `generator` is taught in place; `stamp` goes into the report. `also` is called by the writer before the report
        makes the item finished.
        """
        item = self.job.items[index]
        models = self.models  # before `try`: a wrong model is wrong for all items
        try:
            picture = self.engine.read(item.path)
            edits = self._edited(models, picture, item, generator)
        except Exception as error:  # whatever it is, the other items are not to suffer from it
            self._fail(index, stamp, error)
            return
        texts = {"image_caption": item.caption, "editing_prompt": item.prompt, "negative_prompt": item.negative_prompt}
        size = [picture.width, picture.height]
        more = {"key": item.key, "image": item.image, **texts, "picture_size": size, "stamp": stamp}
        if picture.note:
            print(f"{escape_for_console(item.key)}: {picture.note}", file=sys.stderr)

        def write() -> None:
            also(edits)
            write_item(self.job.place(index), picture, edits, more)

        self.flush()  # one edit at most waits to be written: it holds its pictures in memory
        self._saving = index, stamp, self._pool.submit(write)

    def _edited(self, models: Models, picture: Picture, item: Item, generator: RegionGenerator | None) -> Done:
        def watch(event: Event) -> None:
            self.bar.reach((self._saving is not None) + event.done)

        image = picture.rgb if picture.alpha is None else torch.cat([picture.rgb, picture.alpha], dim=1)
        asked: dict[str, Any] = {"settings": item.settings, "on_event": watch}
        if item.settings.method != "paper":
            asked |= self._known(models, picture, image, item)
        if item.requests:
            return self.engine.edit_several(models, image, item.requests, item.negative_prompt, **asked)
        painter = self.engine.painter(models, item.prompt, item.negative_prompt)
        asked |= {"painter": painter, "generator": generator}
        return self.engine.edit(models, image, item.caption, item.prompt, **asked)

    def _known(self, models: Models, picture: Picture, image: torch.Tensor, item: Item) -> dict[str, Any]:
        """What was encoded and found before: items of one picture that follow each other encode it once, and those of
        one caption search once."""
        if self._encoded is None or self._encoded.key != key_of(picture):
            self._encoded, self._regions = self.engine.encode(models, image), {}
        if item.requests:
            return {"encoded": self._encoded}
        asked = (item.caption, item.settings.find)
        if asked not in self._regions:
            self._regions[asked] = self.engine.find(models, self._encoded, *asked)
        regions = self._regions[asked]
        return {"encoded": self._encoded, "regions": regions if item.pick is None else picked(regions, item.pick)}

    def flush(self) -> None:
        """Wait until everything handed in is on disk."""
        if self._saving is None:
            return
        (index, stamp, writing), self._saving = self._saving, None
        try:
            writing.result()
        except Exception as error:
            self._fail(index, stamp, error)
        else:
            self.bar.step()

    def _fail(self, index: int, stamp: str, error: Exception) -> None:
        self.failed.add(index)
        key, kind = self.job.items[index].key, "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        print(f"failed: {key}: {' '.join(f'{kind}{error}'.split())}", file=sys.stderr)
        self.job.place(index).fail(f"{kind}{error}", {"key": key, "stamp": stamp})
        self.bar.step()


def write_item(place: Place, picture: Picture, edits: Done, more: dict[str, Any]) -> None:
    """Write all files of a finished edit, the report with `more` in it last."""
    place.begin()
    showing = Showing()
    write_pictures(place.folder, picture, edits, showing)
    if place.draw_box:
        with atomic_write(place.boxes, drafts=place.folder) as draft:
            boxes_image(picture, edits, showing).save(draft, format="PNG")
    shown = (edits.edits[:1] if isinstance(edits, Edits) else edits.edits) if edits.verdict == EDITED else []
    mask = mask_image(edits.mask) if edits.verdict == EDITED else None
    before, after = to_pil(picture.rgb, picture.alpha), to_pil(edits.image, edits.alpha)
    thumbs = Showing()(lambda: thumbs_of(before, after, mask, (one.box for one in shown)), {})
    place.finish(thumbs, report_of(picture, edits, more))
