"""The painter without faults: the wish is in the box, the rest is untouched, and the work is counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.worlds.faultless import FaultlessPainter
from benchmark.worlds.opening import clip_folder, open_world
from benchmark.worlds.task import Task
from region_core import Region
from region_core.errors import InputError
from region_core.paint import StepInfo, paint_regions
from region_core.picture import picture_from
from region_core.settings import PaintSettings


def task(height: int, width: int) -> Task:
    """A grey picture; what is wanted is pure red."""
    image = np.full((height, width, 3), 120, np.uint8)

    def draw(box: tuple[int, int, int, int], _seed: int) -> np.ndarray:
        picture = image.copy()
        x0, y0, x1, y1 = box
        picture[y0:y1, x0:x1] = (255, 0, 0)
        return picture

    return Task("plain", 0, image, "a dog", "a cat", ((10.0, 5.0, 40.0, 30.0),), False, draw)


@pytest.mark.parametrize("size", [(128, 128), (64, 256), (256, 64)])
@pytest.mark.parametrize("box", [(3, 7, 31, 29), (0, 0, 64, 64), (40, 50, 64, 60)])
def test_the_box_is_painted_to_the_pixel_and_nothing_else(size: tuple[int, int], box: tuple) -> None:
    asked = task(*size)
    painter = FaultlessPainter(asked)
    settings = PaintSettings(steps=4, grow_percent=0, feather_percent=0)
    region = Region.from_box(box, *size)
    full = paint_regions(picture_from(asked.picture), [region], painter, seed=1, settings=settings)[0].picture
    x0, y0, x1, y1 = box
    expected = asked.picture.clone()
    expected[..., y0:y1, x0:x1] = torch.tensor([1.0, 0, 0])[:, None, None]
    assert torch.allclose(full, expected, atol=1e-3)
    assert (painter.evaluations, painter.vae_encodings, painter.vae_decodings) == (8, 1, 1)


def test_weaker_edits_cost_what_is_left_of_the_schedule() -> None:
    asked, steps = task(64, 64), []
    painter = FaultlessPainter(asked)
    masks = torch.zeros(2, 1, 64, 64)
    masks[..., 8:24, 16:48] = 1
    painted = painter(
        torch.full((2, 3, 64, 64), 0.5), masks, seed=1, steps=4, guidance=1.0, strength=0.5, on_step=steps.append
    )
    assert torch.equal(painted[:, 0] > 0.99, masks[:, 0] > 0.5)
    assert (painter.evaluations, painter.vae_encodings, painter.vae_decodings) == (4, 4, 2)
    assert steps == [StepInfo(4, 4)]


def test_things_and_shapes_are_asked_in_the_same_way() -> None:
    for name in ("shapes", "things"):
        world = open_world(name, "faultless")
        first = world.task(world.kinds[0], 7, 0)
        again = world.task(world.kinds[0], 7, 0)
        assert np.array_equal(first.image, again.image)
        assert first.boxes
        assert not first.absent
        assert world.task("absent", 7, 0).absent
        x0, y0, x1, y1 = (int(v) for v in first.boxes[0])
        drawn = first.draw((x0, y0, x1, y1), 3)
        outside = np.ones(first.size, bool)
        outside[y0:y1, x0:x1] = False
        assert np.array_equal(drawn[outside], first.image[outside])
        assert not np.array_equal(drawn, first.image)
        outline = first.masks[0]
        assert outline[y0:y1, x0:x1].sum() == outline.sum() > 0  # nothing of it lies outside its box
        assert outline[y0].any()
        assert outline[y1 - 1].any()


def test_a_clip_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="clip is 'bent:x'.*things-bent-x"):
        clip_folder("things", "bent:x", tmp_path)
    assert clip_folder("shapes", "demo", tmp_path).is_dir()
