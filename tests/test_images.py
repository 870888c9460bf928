"""The gate for pictures: every mode comes in, 8 bits go out as they came, errors say what to do."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from region_core.errors import InputError
from region_core.images import MIN_SIDE, check_header, load_picture, picture_from, save_png, to_pil

HEIGHT, WIDTH = 40, 64


def noise(channels: int, dtype=np.uint8, seed: int = 0) -> np.ndarray:
    """Every value occurs: HEIGHT * WIDTH is far over 256."""
    generator = np.random.default_rng(seed)
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    return generator.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def arrays(picture) -> np.ndarray:
    return np.asarray(to_pil(picture.rgb, picture.alpha))


def saved(image: Image.Image, path, **options):
    image.save(path, **options)
    return load_picture(path)


@pytest.mark.parametrize("channels", [3, 4])
def test_8_bits_come_out_bit_for_bit_even_under_alpha_0(tmp_path, channels):
    given = noise(channels)
    if channels == 4:
        given[:20, :, 3] = 0
    picture = saved(Image.fromarray(given), tmp_path / "in.png")
    assert picture.rgb.shape == (1, 3, HEIGHT, WIDTH)
    assert picture.rgb.dtype == torch.float32
    assert (picture.alpha is None) == (channels == 3)
    out = save_png(to_pil(picture.rgb, picture.alpha), tmp_path / "out.png")
    with Image.open(out) as written:
        assert np.array_equal(np.asarray(written), given)
    again = load_picture(out)  # a second time round through floats
    assert torch.equal(again.rgb, picture.rgb)


def test_all_256_values_survive_the_float_round_trip():
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 256).expand(3, 40, 256)
    out = np.asarray(to_pil(picture_from(ramp).rgb))
    assert out[0, :, 0].tolist() == list(range(256))


def test_floats_are_rounded_and_not_cut():
    rgb = torch.full((1, 3, 40, 40), 0.9999)
    assert np.asarray(to_pil(rgb)).min() == 255


def test_grey_becomes_three_equal_channels(tmp_path):
    given = noise(1)
    picture = saved(Image.fromarray(given), tmp_path / "in.png")
    assert picture.alpha is None
    assert np.array_equal(arrays(picture), np.stack([given] * 3, 2))


def test_grey_with_alpha_keeps_both(tmp_path):
    grey, alpha = noise(1), noise(1, seed=1)
    image = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    assert np.array_equal(arrays(saved(image, tmp_path / "in.png")), np.stack([grey, grey, grey, alpha], 2))


def palette() -> tuple[Image.Image, np.ndarray, np.ndarray]:
    index = noise(1) % 4
    colors = np.array([[10, 20, 30], [200, 0, 0], [0, 210, 0], [0, 0, 220]], np.uint8)
    image = Image.fromarray(index).convert("L")
    image.putpalette(colors.tobytes())
    return image, index, colors


def test_a_palette_is_looked_up(tmp_path):
    image, index, colors = palette()
    picture = saved(image, tmp_path / "in.png")
    assert picture.alpha is None
    assert np.array_equal(arrays(picture), colors[index])


def test_a_palette_with_a_transparent_entry_has_alpha_and_keeps_its_colour(tmp_path):
    image, index, colors = palette()
    picture = saved(image, tmp_path / "in.png", transparency=2)
    assert picture.alpha is not None
    assert np.array_equal(arrays(picture)[..., 3] == 0, index == 2)
    assert np.array_equal(arrays(picture)[..., :3], colors[index])


def test_16_bit_grey_is_scaled_by_its_full_range(tmp_path):
    given = noise(1, np.uint16)
    picture = saved(Image.fromarray(given), tmp_path / "in.png")
    wanted = torch.from_numpy(given.astype(np.float32) / 65535)
    for channel in picture.rgb[0]:
        assert torch.allclose(channel, wanted, atol=1e-6)
    assert torch.equal(picture_from(given).rgb, picture.rgb)


def test_a_dark_32_bit_grey_is_not_taken_for_8_bits():
    image = Image.fromarray(np.full((40, 40), 200, np.int32))
    assert image.mode == "I"
    assert float(picture_from(image).rgb.max()) == pytest.approx(200 / 65535)


def test_1_bit_and_cmyk_and_float_pictures_come_in():
    ones = Image.new("1", (WIDTH, HEIGHT), 1)
    assert float(picture_from(ones).rgb.min()) == 1
    red = Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0))
    assert picture_from(red).rgb[0, :, 5, 5].tolist() == [1, 0, 0]
    half = Image.new("F", (WIDTH, HEIGHT), 0.5)
    assert picture_from(half).rgb.unique().tolist() == [0.5]


@pytest.mark.parametrize("mode", ["La", "RGBa", "YCbCr", "HSV", "PA"])
def test_rarer_modes_come_in(mode):
    base = Image.new("RGBA", (WIDTH, HEIGHT), (200, 200, 200, 255))
    way = {"La": "LA", "PA": "P"}.get(mode)
    image = base.convert(way) if way else base.convert("RGB") if mode != "RGBa" else base
    picture = picture_from(image.convert(mode))
    assert picture.rgb.shape == (1, 3, HEIGHT, WIDTH)
    assert torch.allclose(picture.rgb, torch.tensor(200 / 255), atol=0.02)


def test_exif_orientation_turns_the_picture(tmp_path):
    given = noise(3)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by a quarter, clockwise
    picture = saved(Image.fromarray(given), tmp_path / "in.png", exif=exif)
    assert np.array_equal(arrays(picture), np.rot90(given, -1))
    assert picture.source.size == (HEIGHT, WIDTH)


def test_the_colour_profile_is_kept_for_the_result_only_where_it_fits_rgb(tmp_path):
    picture = saved(Image.fromarray(noise(3)), tmp_path / "in.png", icc_profile=b"a profile")
    out = save_png(to_pil(picture.rgb), tmp_path / "out.png", picture.icc_profile)
    with Image.open(out) as written:
        assert written.info["icc_profile"] == b"a profile"
    grey = saved(Image.fromarray(noise(1)), tmp_path / "grey.png", icc_profile=b"a profile")
    assert grey.icc_profile is None


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tensors_of_either_layout_are_the_same_picture(channels):
    rows = torch.rand(HEIGHT, WIDTH, channels, generator=torch.Generator().manual_seed(1))
    planes = rows.permute(2, 0, 1)
    wanted = planes[:3].expand(3, -1, -1)
    for form in (rows, rows[None], planes, planes[None], rows.numpy()):
        picture = picture_from(form)
        assert torch.equal(picture.rgb[0], wanted)
        assert (picture.alpha is not None) == (channels == 4)
        if channels == 4:
            assert torch.equal(picture.alpha[0, 0], rows[..., 3])


def test_half_precision_becomes_float32():
    given = torch.full((3, 40, 40), 0.5, dtype=torch.bfloat16)
    assert picture_from(given).rgb.dtype == torch.float32


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_a_picture_shares_no_memory_with_what_it_came_from(kind):
    given = torch.rand(1, 3, 40, 40) if kind == "tensor" else np.full((40, 40, 3), 7, np.uint8)
    picture = picture_from(given)
    before = picture.rgb.clone()
    given[...] = 0
    assert torch.equal(picture.rgb, before)


def test_the_source_survives_the_callers_image_being_changed():
    image = Image.new("RGB", (40, 40), (9, 9, 9))
    picture = picture_from(image)
    image.paste((0, 0, 0), (0, 0, 40, 40))
    assert picture.source.getpixel((3, 3)) == (9, 9, 9)


def test_a_little_overshoot_is_clamped():
    picture = picture_from(torch.tensor([-0.01, 1.01]).repeat(3, 40, 20))
    assert picture.rgb.min() == 0
    assert picture.rgb.max() == 1


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
        (torch.zeros(1, 7, 40, 40), "[1, 7, 40, 40]"),
        ("a.png", "str"),
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


def hdr() -> torch.Tensor:
    values = torch.rand(3, 40, 48, generator=torch.Generator().manual_seed(1))
    values[:, 5:9, 7:20] = 7.25
    values[0, 20, 20] = -0.5
    return values


@pytest.mark.parametrize("layout", ["CHW", "HWC", "array"])
def test_values_beyond_1_are_cut_for_the_models_and_kept_where_nothing_is_edited(layout):
    values = hdr()
    given = {"CHW": values, "HWC": values.permute(1, 2, 0), "array": values.permute(1, 2, 0).numpy()}
    picture = picture_from(given[layout])
    assert torch.equal(picture.rgb[0], values.clamp(0, 1))
    assert "from -0.5 to 7.25" in picture.note
    mask = torch.zeros(1, 1, 40, 48)
    mask[..., :8, :10] = 1
    mask[..., 10, 10] = 0.25
    after = picture.restored(picture.rgb.clone(), mask)
    assert torch.equal(after[0], torch.where(mask[0] == 0, values, values.clamp(0, 1)))


def test_values_in_0_to_1_have_no_copy_and_no_note():
    picture = picture_from(torch.rand(3, 40, 40))
    assert picture.own is None
    assert picture.note == ""
    assert picture.restored(picture.rgb, torch.zeros(1, 1, 40, 40)) is picture.rgb


def test_a_float_file_with_values_beyond_1_comes_in(tmp_path):
    values = np.linspace(0, 9, 40 * 50, dtype=np.float32).reshape(40, 50)
    Image.fromarray(values).save(tmp_path / "hdr.tif")
    picture = load_picture(tmp_path / "hdr.tif")
    assert torch.equal(picture.own[0, 0], torch.from_numpy(values))
    assert picture.rgb.max() == 1


def test_saving_makes_folders_and_leaves_nothing_beside_the_file(tmp_path):
    target = save_png(Image.new("RGB", (40, 40)), tmp_path / "a" / "b" / "out.png")
    assert os.listdir(target.parent) == ["out.png"]


def test_a_failed_save_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    target = save_png(Image.new("RGB", (40, 40), (1, 2, 3)), tmp_path / "out.png")
    before = target.read_bytes()

    def half(self, path, **options):
        with open(path, "wb") as file:
            file.write(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(InputError, match="disk full"):
        save_png(Image.new("RGB", (40, 40)), target)
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["out.png"]


def test_the_file_is_whole_before_it_gets_its_name(tmp_path, monkeypatch):
    seen = []
    real = os.replace

    def replace(draft, target):
        with Image.open(draft) as written:
            written.load()
            seen.append(written.size)
        assert not os.path.exists(target)
        real(draft, target)

    monkeypatch.setattr(os, "replace", replace)
    save_png(Image.new("RGB", (40, 44)), tmp_path / "out.png")
    assert seen == [(40, 44)]


def test_only_png_names_are_taken(tmp_path):
    with pytest.raises(InputError, match="out.jpg"):
        save_png(Image.new("RGB", (40, 40)), tmp_path / "out.jpg")


def test_two_pictures_are_not_one_pil_image():
    with pytest.raises(InputError, match=r"\[2, 3, 40, 40\]"):
        to_pil(torch.zeros(2, 3, 40, 40))
