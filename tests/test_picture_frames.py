"""Files of several frames or pages: the largest is edited, and the rest is not lost without a word."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from region_core.errors import InputError
from region_core.picture import picture_from
from region_core.picture_file import check_header, load_picture

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)
KINDS = [
    ("GIF", {"duration": 100}),
    ("WEBP", {"duration": 100, "lossless": True}),
    ("PNG", {"duration": 100}),
    ("TIFF", {}),
]


def saved(path: Path, kind: str, *frames: Image.Image, **more: object) -> Path:
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], **more)
    return path


def plain(colour: tuple[int, int, int], width: int = 64, height: int = 48) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def colour_of(picture) -> tuple[int, ...]:
    return tuple((picture.rgb[0, :, 20, 20] * 255).round().int().tolist())


@pytest.mark.parametrize(("kind", "more"), KINDS, ids=[kind for kind, _ in KINDS])
def test_further_frames_are_told_and_of_equal_ones_the_first_is_edited(tmp_path: Path, kind: str, more: dict) -> None:
    path = saved(tmp_path / "a", kind, plain(RED), plain(BLUE), plain(GREEN), **more)
    picture = load_picture(path)
    assert picture.frames == 3
    assert colour_of(picture) == RED
    assert picture.note.startswith("The file holds 3 frames or pages, and one is edited")
    assert picture.note.count(".") == 1
    check_header(path)
    with Image.open(path) as opened:
        opened.seek(2)  # what another program shows is what is meant
        assert colour_of(picture_from(opened)) == GREEN
        assert opened.tell() == 2


@pytest.mark.parametrize(("kind", "more"), KINDS, ids=[kind for kind, _ in KINDS])
def test_of_one_frame_nothing_is_said(tmp_path: Path, kind: str, more: dict) -> None:
    plain(RED).save(tmp_path / "a", kind)
    picture = load_picture(tmp_path / "a")
    assert (picture.frames, picture.note) == (1, "")


@pytest.mark.parametrize("thumbnail", [40, 20])
def test_a_thumbnail_on_the_first_page_is_not_what_is_edited(tmp_path: Path, thumbnail: int) -> None:
    """Also one that is too small to be edited."""
    path = saved(
        tmp_path / "a.tif", "TIFF", plain(RED, thumbnail, thumbnail), plain(BLUE, 90, 64), plain(GREEN, 64, 64)
    )
    picture = load_picture(path)
    assert (picture.width, picture.height, picture.frames) == (90, 64, 3)
    assert colour_of(picture) == BLUE
    check_header(path)


def test_the_largest_page_is_turned_by_its_own_tag_and_keeps_its_own_depth(tmp_path: Path) -> None:
    large = plain(BLUE, 90, 64)
    large.putpixel((0, 0), RED)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, to the right
    large.getexif()[0x0112] = 6
    small = plain(RED, 40, 40)
    small.save(tmp_path / "a.tif", "TIFF", save_all=True, append_images=[large], exif=exif)
    with Image.open(tmp_path / "a.tif") as opened:
        opened.seek(1)
        turned = opened.getexif().get(0x0112) == 6
    picture = load_picture(tmp_path / "a.tif")
    assert (picture.width, picture.height) == ((64, 90) if turned else (90, 64))
    deep = Image.fromarray(np.arange(64 * 90, dtype=np.uint16).reshape(64, 90) * 10)
    picture = load_picture(saved(tmp_path / "b.tif", "TIFF", plain(RED, 40, 40).convert("L"), deep))
    assert picture.deep
    assert picture.note.startswith("The picture has more than 8 bits a channel, and results have 8. The file holds 2 ")
    assert float(picture.rgb[0, 0, 0, 7]) == pytest.approx(70 / 65535)


def test_a_photographs_own_preview_and_layers_are_no_pages(tmp_path: Path) -> None:
    picture = load_picture(saved(tmp_path / "a.jpg", "MPO", plain(RED, 64, 64), plain(BLUE, 90, 90)))
    assert (picture.width, picture.frames, picture.note) == (64, 1, "")
    # a drawing without layers, and one with a layer of 90 x 90, as Photoshop writes them
    layer = struct.pack(">iiiiH", 0, 0, 90, 90, 0) + b"8BIMnorm" + bytes(8)
    for name, layers in (("a.psd", b""), ("b.psd", struct.pack(">Ih", len(layer) + 2, 1) + layer)):
        head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 64, 64, 8, 3) + bytes(8) + struct.pack(">I", len(layers))
        pixels = b"".join(bytes([value]) * 64 * 64 for value in RED)
        (tmp_path / name).write_bytes(head + layers + bytes(2) + pixels)
        check_header(tmp_path / name)
        picture = load_picture(tmp_path / name)
        assert (picture.width, picture.frames, picture.note, colour_of(picture)) == (64, 1, "", RED)


def test_the_other_eyes_picture_is_told(tmp_path: Path) -> None:
    picture = load_picture(saved(tmp_path / "a.jpg", "MPO", plain(RED), plain(BLUE), plain(GREEN, 32, 24)))
    assert picture.frames == 2
    assert colour_of(picture)[0] > 250
    assert "holds 2 frames" in picture.note


def test_a_larger_picture_that_is_not_read_is_told(tmp_path: Path) -> None:
    """Raw photographs begin with a thumbnail, and have the picture itself in a directory beside it."""
    for kind, told in ((1, True), (0, False)):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[254], tags[330] = kind, 8
        plain(RED).save(tmp_path / "a.dng", "TIFF", tiffinfo=tags)
        assert load_picture(tmp_path / "a.dng").note.startswith("This is the thumbnail") == told


def test_a_damaged_later_frame_does_not_refuse_a_sound_first_one(tmp_path: Path) -> None:
    noise = [Image.effect_noise((64, 48), 90).convert("RGB") for _ in range(3)]
    path = saved(tmp_path / "a.tif", "TIFF", *noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    picture = load_picture(path)
    assert np.array_equal(np.asarray(picture.source), np.asarray(noise[0]))
    assert "frames or pages" in picture.note


def test_a_page_of_an_absurd_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", "TIFF", plain(RED, 64, 64), plain(BLUE, 90, 64))
    data = bytearray(path.read_bytes())
    for tag in (b"\x00\x01\x04\x00\x01\x00\x00\x00", b"\x00\x01\x03\x00\x01\x00\x00\x00"):  # a page's width
        at = data.rfind(tag)
        if at >= 0:
            data[at + 2 : at + 4] = b"\x04\x00"
            data[at + 8 : at + 12] = (40_000_000).to_bytes(4, "little")
            break
    path.write_bytes(bytes(data))
    for read in (load_picture, check_header):
        with pytest.raises(InputError, match="40000000 x 64 pixels, but 178 million"):
            read(path)
