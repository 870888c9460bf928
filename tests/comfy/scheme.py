"""Drawn schemes of the workflows whose models are too large to be run for a picture: what goes in, what comes out."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFont

SIDE = 768  # template cards are square
_SCALE = 2  # drawn larger, for smooth edges
_INK, _PAPER, _CARD, _ACCENT = "#e8e8e8", "#1d2733", "#2b3a4b", "#ff8a3d"
Tile = tuple[str, Callable[[ImageDraw.ImageDraw, int], None]]  # what stands below, and how it is drawn
WHAT, WISH = "a cup", "a bunch of flowers"
_BOX = (0.30, 0.40, 0.74, 0.86)  # of the thing, as shares of a tile


def _at(share: tuple[float, ...], side: int) -> list[int]:
    return [round(value * side) for value in share]


def _room(draw: ImageDraw.ImageDraw, side: int) -> None:
    draw.rectangle((0, 0, side, side), fill="#c9d3d8")
    draw.rectangle(_at((0.08, 0.08, 0.38, 0.36), side), fill="#8fb7d6", outline="#ffffff", width=side // 40)
    draw.rectangle(_at((0, 0.78, 1, 1), side), fill="#9a6b43")


def before(draw: ImageDraw.ImageDraw, side: int) -> None:
    """A cup on a table."""
    _room(draw, side)
    draw.ellipse(_at((0.58, 0.54, 0.74, 0.76), side), outline="#b5402f", width=side // 28)
    draw.rounded_rectangle(_at((0.34, 0.46, 0.64, 0.84), side), side // 16, fill="#d2533e")
    draw.ellipse(_at((0.34, 0.41, 0.64, 0.51), side), fill="#5b3423", outline="#d2533e", width=side // 50)


def after(draw: ImageDraw.ImageDraw, side: int) -> None:
    """Flowers in its place."""
    _room(draw, side)
    draw.polygon(_at((0.42, 0.64, 0.62, 0.64, 0.58, 0.84, 0.46, 0.84), side), fill="#3d6fb0")
    for x, y, colour in ((0.42, 0.50, "#e8557a"), (0.52, 0.45, "#f5c542"), (0.62, 0.52, "#b565d8")):
        draw.line(_at((x, y, 0.52, 0.66), side), fill="#3c7a3c", width=side // 50)
        draw.ellipse(_at((x - 0.075, y - 0.075, x + 0.075, y + 0.075), side), fill=colour)
        draw.ellipse(_at((x - 0.025, y - 0.025, x + 0.025, y + 0.025), side), fill="#fff3c4")


def searched(draw: ImageDraw.ImageDraw, side: int) -> None:
    """The cup with the boxes that are tried, and the one that is taken."""
    before(draw, side)
    for box in ((0.05, 0.05, 0.42, 0.40), (0.20, 0.30, 0.55, 0.70), (0.46, 0.50, 0.94, 0.95)):
        draw.rectangle(_at(box, side), outline="#ffffff", width=side // 100)
    draw.rectangle(_at(_BOX, side), outline=_ACCENT, width=side // 36)


def mask(draw: ImageDraw.ImageDraw, side: int) -> None:
    """The region alone."""
    draw.rectangle((0, 0, side, side), fill="#000000")
    draw.rectangle(_at(_BOX, side), fill="#ffffff")


def outlined(draw: ImageDraw.ImageDraw, side: int) -> None:
    """The cup's own outline."""
    draw.rectangle((0, 0, side, side), fill="#000000")
    draw.ellipse(_at((0.58, 0.54, 0.74, 0.76), side), outline="#ffffff", width=side // 28)
    draw.rounded_rectangle(_at((0.34, 0.46, 0.64, 0.84), side), side // 16, fill="#ffffff")
    draw.ellipse(_at((0.34, 0.41, 0.64, 0.51), side), fill="#ffffff")


def brushed(draw: ImageDraw.ImageDraw, side: int) -> None:
    """The cup under strokes of a brush."""
    before(draw, side)
    for x, y in (
        (0.34, 0.48),
        (0.5, 0.46),
        (0.68, 0.5),
        (0.36, 0.64),
        (0.7, 0.66),
        (0.38, 0.8),
        (0.54, 0.82),
        (0.7, 0.8),
    ):
        draw.ellipse(_at((x - 0.16, y - 0.13, x + 0.16, y + 0.13), side), fill="#ffffff58")
    draw.rectangle(_at(_BOX, side), outline=_ACCENT, width=side // 36)


def known(draw: ImageDraw.ImageDraw, side: int) -> None:
    """The cup with the box that is known and the one that was found."""
    before(draw, side)
    draw.rectangle(_at((0.33, 0.38, 0.76, 0.88), side), outline="#ffffff", width=side // 60)
    draw.rectangle(_at(_BOX, side), outline=_ACCENT, width=side // 36)


SCHEMES: dict[str, tuple[str, list[Tile]]] = {
    "Edit by Text - SD2": ("SD2 inpainting", [("finds the region ...", searched), ("... and paints in it", after)]),
    **{
        f"Paint with {name}": (f"{name} paints it", [("found", searched), ("its mask", mask), (f"by {name}", after)])
        for name in ("Flux Fill", "SDXL Inpainting", "SD1.5 LCM")
    },
    **{
        f"Paint with {name}": (f"{name} paints it", [("found", searched), (f"by {name}", after)])
        for name in ("Flux Kontext", "Flux.2 Klein", "Qwen-Image-Edit")
    },
    "Mask by SAM 3": ("SAM 3 outlines what was found", [("found", searched), ("outlined", outlined)]),
    "Published Method - SD2": (
        "the published method, SD2",
        [("learns where to paint ...", searched), ("... and paints there", after)],
    ),
    "Edit by Text - Painted Mask": (
        "Within a mask that you paint",
        [("looked for only there", brushed), ("the edit", after)],
    ),
    "Edit by Text - Model Check": ("Are your models right?", [("known box, found box", known), ("the edit", after)]),
}


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)


def scheme(title: str, tiles: list[Tile]) -> Image.Image:
    """A square of SIDE pixels: the two texts, the tiles with arrows between them, and the title; the front end
    writes over its upper left corner."""
    full = SIDE * _SCALE
    made = Image.new("RGB", (full, full), _PAPER)
    draw = ImageDraw.Draw(made)
    draw.text((full // 2, full * 0.92), title, fill=_INK, font=_font(46), anchor="mm")
    said = [("what is there", WHAT)]
    if any(paint is after for _, paint in tiles):
        said.append(("what should be there", WISH))
    for row, (what, text) in enumerate(said):
        top = full * (0.15 + 0.11 * row)
        draw.rounded_rectangle((full * 0.06, top, full * 0.94, top + full * 0.085), full // 60, fill=_CARD)
        draw.text((full * 0.09, top + full * 0.0425), what, fill="#9fb3c8", font=_font(24), anchor="lm")
        draw.text((full * 0.91, top + full * 0.0425), text, fill=_INK, font=_font(30), anchor="rm")
    gap = full * 0.06
    side = round((full - gap * (len(tiles) + 1)) / len(tiles))
    top = round(full * 0.38 + (full * 0.44 - side) / 2)
    for place, (label, paint) in enumerate(tiles):
        left = round(gap + place * (side + gap))
        tile = Image.new("RGB", (side, side))
        paint(ImageDraw.Draw(tile, "RGBA"), side)
        made.paste(tile, (left, top))
        draw.text((left + side / 2, top + side + full * 0.035), label, fill=_INK, font=_font(24), anchor="mm")
        if place:  # an arrow from the tile before
            x, y, reach = left - gap / 2, top + side / 2, gap * 0.3
            draw.polygon([(x - reach, y - reach * 1.4), (x + reach, y), (x - reach, y + reach * 1.4)], fill=_ACCENT)
    return made.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
