"""What is no picture, or a damaged one, is one sentence that says what to do."""

from __future__ import annotations

import io
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from region_core.errors import InputError
from region_core.picture import MAX_PIXELS, MIN_SIDE, check_layers, picture_from
from region_core.picture_file import check_header, load_picture

from .pixels import noise


def one_sentence(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert text.endswith(".")
    assert not re.search(r"[a-z]\. [A-Z]", text), text
    return text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((40, 40, 2), np.uint8), "[40, 40, 2]"),
        (np.zeros((40, 40, 3), np.int64), "int64"),
        (np.full((40, 40, 3), 200.0), "200"),
        (np.full((40, 40, 3), np.nan), "NaN"),
        (np.full((40, 40), np.inf), "infinity"),
        (torch.zeros(2, 3, 40, 40), "2 pictures"),
        (torch.zeros(3, 40, 40, dtype=torch.int32), "int32"),
        (torch.zeros(40, 40), "[40, 40]"),
        (torch.zeros(3, 40, 40).to_sparse(), "to_dense()"),
        (torch.zeros(1, 7, 40, 40), "[1, 7, 40, 40]"),
        ("a.png", "made from a str"),
        (7, "made from an int"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_value(given, words):
    with pytest.raises(InputError) as caught:
        picture_from(given)
    assert words in one_sentence(caught)


def test_the_smallest_side_is_allowed_and_one_pixel_less_is_not():
    assert picture_from(torch.zeros(3, MIN_SIDE, 90)).height == MIN_SIDE
    for shape in ((3, MIN_SIDE - 1, 90), (3, 90, MIN_SIDE - 1)):
        with pytest.raises(InputError) as caught:
            picture_from(torch.zeros(shape))
        text = one_sentence(caught)
        assert str(MIN_SIDE) in text
        assert f"{shape[2]} x {shape[1]}" in text


def test_the_limits_are_what_is_said_of_them():
    assert MIN_SIDE == 32
    picture_from(torch.zeros(1, 32, 32))
    with pytest.raises(InputError, match="31 x 32 pixels, but each side must be at least 32"):
        picture_from(torch.zeros(1, 32, 31))
    assert MAX_PIXELS == 178_956_970  # Pillow's own
    row = torch.zeros(1, 1, 1, 1)
    check_layers(row.expand(1, 1, 13_377, 13_377))  # 178,944,129
    with pytest.raises(InputError, match="13378 x 13378 pixels, but 178 million"):
        check_layers(row.expand(1, 1, 13_378, 13_378))


@pytest.mark.parametrize(("share", "read"), [(0.85, True), (0.95, False)])
@pytest.mark.parametrize("far", [2.5, -1.5])
def test_values_nearly_all_far_outside_are_of_another_range(share, read, far):
    values = torch.full((3, 40, 100), 0.5)
    values[..., : int(share * 100)] = far
    if read:
        assert picture_from(values).own is not None
        return
    with pytest.raises(InputError, match="nearly all far outside 0 to 1: scale them"):
        picture_from(values)


@pytest.mark.parametrize("near", [1.9, -0.9])
def test_values_a_little_outside_are_no_other_range(near):
    assert picture_from(torch.full((3, 40, 40), near)).own.unique().item() == pytest.approx(near)


def test_one_colour_alone_may_be_far_outside():
    values = torch.full((3, 40, 40), 0.5)
    values[0] = 9
    assert picture_from(values).own is not None


def test_alpha_says_nothing_of_the_range_and_is_cut():
    values = torch.cat([torch.full((3, 40, 40), 0.5), torch.full((1, 40, 40), 255.0)])
    picture = picture_from(values)
    assert picture.alpha.unique().tolist() == [1]
    assert picture.rgb.unique().tolist() == [0.5]


@pytest.mark.parametrize(("value", "read"), [(0, True), (65535, True), (65536, False), (-1, False)])
def test_whole_numbers_of_more_than_16_bits_are_refused(value, read):
    deep = np.full((40, 40), 7, np.int32)
    deep[3, 3] = value
    if read:
        assert float(picture_from(Image.fromarray(deep)).rgb[0, 0, 3, 3]) == pytest.approx(value / 65535)
        return
    with pytest.raises(InputError, match=f"reach from .*{value}.* but 0 to 65535 is"):
        picture_from(Image.fromarray(deep))


def test_a_missing_file_a_folder_and_a_text_each_say_so(tmp_path):
    (tmp_path / "note.png").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    cases = [("gone.png", "no file"), (".", "folder")]
    cases += [("note.png", "not an image"), ("empty.png", "not an image")]
    for name, words in cases:
        with pytest.raises(InputError) as caught:
            load_picture(tmp_path / name)
        assert words in str(caught.value)
        assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_truncated_image_says_that_it_is_damaged(tmp_path, kind, part):
    file = io.BytesIO()
    Image.fromarray(noise(3)).save(file, kind)
    whole = file.getvalue()
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(InputError) as caught:
        load_picture(path)
    assert "damaged or cut short" in str(caught.value)


def test_a_cut_picture_that_another_program_opened_says_so(tmp_path):
    Image.fromarray(noise(3)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-900])
    with Image.open(tmp_path / "a.png") as lazy, pytest.raises(InputError) as caught:
        picture_from(lazy)
    assert "damaged or cut short" in one_sentence(caught)


def test_postscript_starts_no_program_whatever_it_is_called(tmp_path, monkeypatch):
    def started(*_args, **_more):
        raise AssertionError("Ghostscript")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)
    for name in ("a.png", "a.eps"):
        (tmp_path / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n" + b" " * 99)
        with pytest.raises(InputError, match="not an image of a kind that is read: use a PNG"):
            load_picture(tmp_path / name)


def test_a_picture_in_an_icon_is_not_decoded_for_the_size_that_the_icon_gives(tmp_path):
    inner = io.BytesIO()
    Image.new("L", (3000, 2500)).save(inner, "PNG")
    entry = struct.pack("<4B2H2I", 64, 64, 0, 0, 1, 32, len(inner.getvalue()), 22)
    (tmp_path / "a.png").write_bytes(b"\0\0\1\0\1\0" + entry + inner.getvalue())
    for read in (load_picture, check_header):
        with pytest.raises(InputError, match="not an image of a kind that is read"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "MPO"])
def test_the_usual_kinds_are_read_whatever_they_are_called(tmp_path, kind):
    Image.fromarray(noise(3)).save(tmp_path / "a.picture", kind)
    check_header(tmp_path / "a.picture")
    assert load_picture(tmp_path / "a.picture").rgb.shape[1] == 3


def test_a_decompression_bomb_is_stopped_by_pillow(tmp_path, monkeypatch):
    Image.new("L", (200, 200)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError) as caught:
        load_picture(tmp_path / "big.png")
    assert "40000 pixels" in str(caught.value)


def test_an_absurd_size_is_refused_before_decoding_also_where_pillows_guard_is_off(tmp_path, monkeypatch):
    Image.new("L", (64, 64)).save(tmp_path / "big.png")
    data = bytearray((tmp_path / "big.png").read_bytes())
    data[16:24] = (200_000).to_bytes(4, "big") * 2  # what the header says
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    (tmp_path / "big.png").write_bytes(bytes(data))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)

    def never(*_args):
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", never)
    for read in (load_picture, check_header):
        with pytest.raises(InputError, match="200000 x 200000 pixels, but 178 million"):
            read(tmp_path / "big.png")


def dds(four: bytes = b"XXXX", flags: int = 4) -> bytes:
    """A DDS header of 64 x 64 pixels in a format that nobody has."""
    head = struct.pack("<7I", 124, 0x1007, 64, 64, 0, 0, 0) + bytes(44)
    return b"DDS " + head + struct.pack("<2I", 32, flags) + four + bytes(40) + bytes(4096)


@pytest.mark.parametrize(
    "data",
    [
        dds(),
        dds(b"DX10"),
        dds(flags=0),
        b"8BPS\0\1" + bytes(6) + b"\0\x09\0\0\0\x40\0\0\0\x40\0\x08\0\x0f" + bytes(64),
        b"qoif\0\0\0\x40\0\0\0\x40\x03\0" + bytes(4),
        b"P6 64 64 70000\n" + bytes(99),
        b"P7\n" + bytes(99),
        b"BM" + bytes(12) + (40).to_bytes(4, "little") + bytes(60),
        b"icns\0\0\0\x10ic09\0\0\0\x08",
        b"\0\0\1\0\1\0" + bytes(30),
        b"FTEX" + bytes(60),
        b"BLP2" + bytes(99),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n",
        b"GIF89a" + bytes(3),
        b"II*\0\x08\0\0\0\xff\xff" + bytes(40),
        b"RIFF\0\0\0\0WEBPVP8 " + bytes(20),
        b"\xd7\xcd\xc6\x9a" + bytes(60),
        b"\0\0\0\x20ftypavif" + bytes(60),
        b"SIMPLE  =" + b" " * 90,
    ],
    ids=lambda data: repr(data[:6]),
)
@pytest.mark.filterwarnings("ignore")  # Pillow's own, of what it made of the file
def test_whatever_a_decoder_makes_of_a_file_is_one_sentence(tmp_path, data):
    path = tmp_path / "odd.picture"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_picture(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "raised",
    [
        NotImplementedError("DXT9"),
        KeyError("x"),
        IndexError("y"),
        RuntimeError("z"),
        AttributeError("a"),
        AssertionError(),
        MemoryError(),
        OverflowError("big"),
        UnicodeDecodeError("utf-8", b"a", 0, 1, "bad"),
    ],
)
@pytest.mark.parametrize("when", ["open", "load"])
def test_any_exception_of_a_decoder_is_one_sentence(tmp_path, monkeypatch, raised, when):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")

    def fails(*_args, **_more):
        raise raised

    if when == "open":
        monkeypatch.setattr(Image, "open", fails)
    else:
        monkeypatch.setattr(ImageFile.ImageFile, "load", fails)
    with pytest.raises(InputError) as caught:
        load_picture(tmp_path / "a.png")
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).count("(") == 1
    assert "()" not in str(caught.value)


@pytest.mark.parametrize(("mode", "transparency"), [("P", (1, 2, 3)), ("RGB", b""), ("L", None), ("P", 999)])
def test_a_transparency_that_does_not_suit_the_mode(mode, transparency):
    image = Image.new(mode, (40, 40))
    image.info["transparency"] = transparency
    with pytest.raises(InputError, match="cannot be made RGB"):
        picture_from(image)
