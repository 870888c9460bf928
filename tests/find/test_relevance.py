"""Where in a picture a caption is, from made-up windows."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from region_core.cells import CellGraph
from region_core.find.relevance import caption_map, standing_out
from region_core.views import WindowViews

SIDE = 8  # cells a side
CAPTION = torch.eye(6)[:1]
OTHERS = F.normalize(torch.randn(40, 6, generator=torch.Generator().manual_seed(4)), dim=1)
QUARTERS = torch.tensor([[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]])


def graph(affinity: torch.Tensor | None = None) -> CellGraph:
    return CellGraph((SIDE, SIDE), torch.eye(SIDE**2) if affinity is None else affinity, torch.zeros(SIDE**2))


def place(value: float) -> torch.Tensor:
    """A place [6] whose cosine with the caption is `value`, and with all else as it comes."""
    return torch.tensor([value, 0, 0, (1 - value**2) ** 0.5, 0, 0])


def looked(picture: torch.Tensor) -> WindowViews:
    """Embeddings [SIDE, SIDE, 6] of a picture's cells, as the whole picture and its quarters at each zoom show them."""
    half = SIDE // 2
    parts = [picture[y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
    boxes = torch.cat([torch.tensor([[0.0, 0, 1, 1]]), *[QUARTERS] * 3])
    zooms = torch.tensor([1, *[2] * 4, *[3] * 4, *[4] * 4])
    shrunk = F.avg_pool2d(picture.movedim(2, 0), 2).movedim(0, 2)
    places = torch.stack([shrunk, *parts * 3])
    return WindowViews(boxes, zooms, places.mean(dim=(1, 2)), places)


def picture(*boxes: tuple[int, int, int, int], inside: float = 0.9, outside: float = 0.0) -> torch.Tensor:
    made = place(outside).expand(SIDE, SIDE, 6).clone()
    for x0, y0, x1, y1 in boxes:
        made[y0:y1, x0:x1] = place(inside)
    return made


def test_standing_out_is_in_standard_deviations_of_the_other_texts() -> None:
    seen = torch.eye(3)[:1]
    others = torch.tensor([[0.1, 0.3, 0], [0.3, 0.3, 0], [0.5, 0.3, 0]])
    texts = torch.tensor([[0.9, 0.1, 0], [0.3, 9.0, 9.0]])
    assert standing_out(seen, texts, others)[0].tolist() == pytest.approx([(0.9 - 0.3) / 0.2, 0], abs=1e-5)
    bent = standing_out(seen * 0.25, texts, others)  # all cosines a quarter of what they were
    torch.testing.assert_close(bent, standing_out(seen, texts, others))


def test_it_is_seen_where_it_is_at_every_zoom() -> None:
    where = caption_map(looked(picture((4, 0, 8, 4))), graph(), CAPTION, OTHERS)
    seen = where.seen.reshape(SIDE, SIDE)
    assert float(seen[:3, 5:].min()) > float(seen[5:].max()) + 1
    assert float(seen[:3, 5:].min()) > float(seen[:, :3].max()) + 1
    torch.testing.assert_close(where.relevance, where.seen)  # no cell is like another


def test_a_zoom_with_a_window_like_the_caption_counts_more_and_laps_are_means() -> None:
    """The whole picture says there is nothing; quarters at one zoom, laid twice over each other, say two things."""
    even, high = picture(), picture((0, 0, 8, 8), inside=0.5)
    views = looked(even)
    places, whole = views.places.clone(), views.whole.clone()
    places[1:5] = high[:4, :4]
    none = caption_map(views, graph(), CAPTION, OTHERS).seen
    only = caption_map(WindowViews(views.boxes, views.zooms, whole, places), graph(), CAPTION, OTHERS).seen
    assert float((only - none).min()) > 0.1
    whole[1:5] = place(0.5)
    both = caption_map(WindowViews(views.boxes, views.zooms, whole, places), graph(), CAPTION, OTHERS).seen
    assert float((both - only).min()) > 0.1
    boxes, zooms = torch.cat([views.boxes, QUARTERS]), torch.cat([views.zooms, torch.full((4,), 2)])
    twice = WindowViews(
        boxes, zooms, torch.cat([views.whole, views.whole[1:5]]), torch.cat([views.places, places[1:5]])
    )
    lapped = caption_map(twice, graph(), CAPTION, OTHERS).seen
    torch.testing.assert_close(lapped - none, (only - none) / 2, atol=0.05, rtol=0)


def test_where_places_say_another_thing_than_wholes_the_wholes_count_too() -> None:
    """A tower whose places were never trained to be asked."""
    views = looked(picture((4, 0, 8, 4)))
    dumb = torch.eye(6)[5].expand_as(views.places)
    where = caption_map(WindowViews(views.boxes, views.zooms, views.whole, dumb), graph(), CAPTION, OTHERS)
    seen = where.seen.reshape(SIDE, SIDE)
    assert float(seen[:4, 4:].min()) > float(seen[:, :4].max()) + 0.5
    assert float(seen[:4, 4:].min()) > float(seen[4:].max()) + 0.5


def test_cells_that_are_alike_say_the_same_and_the_smallest_windows_are_told_apart() -> None:
    alike = torch.full((SIDE**2, SIDE**2), 1 / SIDE**2)
    views = looked(picture((4, 0, 8, 4)))
    where = caption_map(views, graph(alike), CAPTION, OTHERS)
    torch.testing.assert_close(where.relevance, where.seen.mean().expand(SIDE**2))
    places = views.places.clone()
    places[-1] = picture((0, 0, 8, 8))[:4, :4]  # the last quarter at the highest zoom
    where = caption_map(WindowViews(views.boxes, views.zooms, views.whole, places), graph(), CAPTION, OTHERS)
    close = where.close.reshape(SIDE, SIDE)
    assert float(close[4:, 4:].min()) > float(close[:4, :4].max()) + 1
    assert float(where.seen.reshape(SIDE, SIDE)[4:, 4:].max()) < float(close[4:, 4:].min()) - 0.5


def test_without_places_the_windows_are_laid_over_the_grid() -> None:
    views = looked(picture((4, 0, 8, 4)))
    where = caption_map(WindowViews(views.boxes, views.zooms, views.whole, None), graph(), CAPTION, OTHERS)
    seen = where.seen.reshape(SIDE, SIDE)
    for rows, columns in ((slice(0, 4), slice(4, 8)), (slice(4, 8), slice(0, 4))):
        torch.testing.assert_close(seen[rows, columns], seen[rows.start, columns.start].expand(4, 4))
    assert float(seen[0, 7]) > float(seen[7, 0]) + 0.5


def test_presence_is_the_share_of_other_texts_that_stand_out_less() -> None:
    there = caption_map(looked(picture((2, 2, 5, 5))), graph(), CAPTION, OTHERS)
    assert there.presence > 0.9
    faint = caption_map(looked(picture((2, 2, 5, 5), inside=0.05)), graph(), CAPTION, OTHERS)
    assert faint.presence < there.presence
    assert round(there.presence * 40) == pytest.approx(there.presence * 40)


def test_what_fills_the_picture_is_there_and_a_text_a_little_like_all_of_it_is_not() -> None:
    fills = caption_map(looked(picture((0, 0, 8, 8))), graph(), CAPTION, OTHERS)
    assert fills.presence > 0.9
    mixed = picture((2, 2, 5, 5), inside=0.3, outside=0.3)
    mixed[2:5, 2:5] = torch.tensor([0.3, 0.954, 0, 0, 0, 0])  # something else is there
    assert caption_map(looked(mixed), graph(), CAPTION, OTHERS).presence < 0.75


def test_a_picture_one_cell_wide_is_looked_at_too() -> None:
    """Windows narrower than a cell count in the cell where they lie."""
    narrow = CellGraph((SIDE, 1), torch.eye(SIDE), torch.zeros(SIDE))
    seen = caption_map(looked(picture((0, 0, 8, 4))), narrow, CAPTION, OTHERS).seen.flatten()
    assert float(seen[:3].min()) > float(seen[5:].max()) + 1
