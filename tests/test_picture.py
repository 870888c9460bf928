"""The gate for pictures: every mode comes in, 8 bits go out as they came."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from region_core.picture import picture_from, to_pil
from region_core.picture_file import load_picture, save_png

from .pixels import HEIGHT, WIDTH, noise


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
    assert np.asarray(to_pil(rgb * 1.5)).min() == 255
    assert np.asarray(to_pil(rgb * -0.5)).max() == 0


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


def test_a_picture_knows_its_sides():
    picture = picture_from(torch.rand(3, 40, 60))
    assert (picture.height, picture.width) == (40, 60)


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


def test_a_palette_whose_colours_are_transparent_has_alpha():
    image = Image.new("P", (WIDTH, HEIGHT), 3)
    image.putpalette([9, 8, 7, 6] * 256, "RGBA")
    assert arrays(picture_from(image))[5, 5].tolist() == [9, 8, 7, 6]


def deep_colour(path):
    """A PNG of 16 bits a colour, which Pillow reads as 8."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.tobytes() for row in noise(3, np.uint16).astype(">u2"))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_more_than_8_bits_are_said_to_be_lost(tmp_path):
    deep_colour(tmp_path / "colour.png")
    Image.fromarray(noise(1, np.uint16)).save(tmp_path / "grey.png")
    Image.new("F", (WIDTH, HEIGHT), 0.5).save(tmp_path / "float.tif")
    for name in ("colour.png", "grey.png", "float.tif"):
        assert load_picture(tmp_path / name).note == "The picture has more than 8 bits a channel, and results have 8."
    Image.fromarray(noise(3)).save(tmp_path / "plain.png")
    assert load_picture(tmp_path / "plain.png").note == ""


@pytest.mark.parametrize(("mode", "deep"), [("I;16", True), ("I", True), ("F", True), ("L", False), ("RGBA", False)])
def test_a_picture_made_in_memory_says_too_that_it_has_more_than_8_bits(mode: str, deep: bool) -> None:
    assert bool(picture_from(Image.new(mode, (40, 40))).note) == deep
