"""Makes `assets/` from packages: `python -m benchmark.worlds.things.make_assets UNPACKED OUT`.

UNPACKED holds the contents of the Debian packages fonts-noto-color-emoji, mate-backgrounds,
ukui-wallpapers, lomiri-wallpapers-16.04, lomiri-wallpapers-20.04 and plasma-workspace-wallpapers
(`dpkg-deb -x FILE.deb UNPACKED`), and of the npm package @twemoji/svg in `UNPACKED/twemoji`.
Needs `rsvg-convert`. A photograph comes in only if it is listed here with its licence.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .names import CODES

SPRITE, PHOTO = 80, 288  # pixels: longest side of a sprite, shorter side of a photograph
_SHARED = "usr/share/"
_UKUI = ("ukui-wallpapers", "Ubuntu Kylin community contributors, 2013-2020", "CC-BY-SA-3.0")


def _mate(author: str) -> tuple[str, str, str]:
    return "mate-backgrounds", author, "GPL-2+"


def _kde() -> tuple[str, str, str]:
    return "plasma-workspace-wallpapers", "KDE Visual Design Group, 2014", "GPL-2+"


def _lomiri(author: str, licence: str, release: str = "16.04") -> tuple[str, str, str]:
    return f"lomiri-wallpapers-{release}", author, licence


# path under usr/share -> (package, who made it, licence), as the package's copyright file has it
PHOTOS: dict[str, tuple[str, str, str]] = {
    "backgrounds/mate/nature/Aqua.jpg": _mate("Charles Barbin, 2008"),
    "backgrounds/mate/nature/Blinds.jpg": _mate("Lennart Poettering, Andrea Cimitan, 2008"),
    "backgrounds/mate/nature/Dune.jpg": _mate("Marco Cogoni, 2007; Hylke Bons, 2008"),
    "backgrounds/mate/nature/FreshFlower.jpg": _mate("Jens Ansorg, 2005"),
    "backgrounds/mate/nature/Garden.jpg": _mate("Charles Barbin, 2008"),
    "backgrounds/mate/nature/GreenMeadow.jpg": _mate("Timothy Schellhase, 2005; Lapo Calamandrei, 2008"),
    "backgrounds/mate/nature/LadyBird.jpg": _mate("Charles Barbin, 2008"),
    "backgrounds/mate/nature/RainDrops.jpg": _mate('"blackcombwhistler07", 2008'),
    "backgrounds/mate/nature/Storm.jpg": _mate("Sergey Nazarov, 2008"),
    "backgrounds/mate/nature/TwoWings.jpg": _mate("Charles Barbin, Hylke Bons, 2008"),
    "backgrounds/mate/nature/Wood.jpg": _mate("Jean-François Fortin Tam, 2008"),
    "wallpapers/Autumn/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/BytheWater/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/ColdRipple/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/ColorfulCups/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/DarkestHour/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/EveningGlow/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/FallenLeaf/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/Grey/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/Kite/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/OneStandsOut/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/PastelHills/contents/images/3200x2000.jpg": _kde(),
    "wallpapers/Path/contents/images/2560x1600.jpg": _kde(),
    "wallpapers/summer_1am/contents/images/2560x1600.jpg": _kde(),
    "backgrounds/aitzgorri_by_Aitzol_Berasategi.jpg": _lomiri("Aitzol Berasategi, 2018", "CC-BY-4.0"),
    "backgrounds/Bridge_by_Sander_Klootwijk.jpg": _lomiri("Sander Klootwijk, 2018", "CC-BY-SA-4.0"),
    "backgrounds/Dragonfly_by_Bolly.jpg": _lomiri('"Bolly", 2018', "CC-BY-SA-4.0"),
    "backgrounds/free_by_Peter_Nerlich.jpg": _lomiri("Peter Nerlich, 2018", "CC-BY-SA-4.0"),
    "backgrounds/greentock_by_Peter_Nerlich.jpg": _lomiri("Peter Nerlich, 2018", "CC-BY-SA-4.0"),
    "backgrounds/life_by_Aitzol_Berasategi.jpg": _lomiri("Aitzol Berasategi, 2018", "CC-BY-4.0"),
    "backgrounds/picosdeeuropa_by_Aitzol_Berasategi.jpg": _lomiri("Aitzol Berasategi, 2018", "CC-BY-4.0"),
    "backgrounds/Picture_0B_by_freespace.jpg": _lomiri('Trevor "Freespace", 2018', "CC-BY-4.0"),
    "backgrounds/Picture_1A_by_freespace.jpg": _lomiri('Trevor "Freespace", 2018', "CC-BY-4.0"),
    "backgrounds/seeding_by_Clements_Engelhardt.jpg": _lomiri("Clemens Engelhardt, 2018", "CC0-1.0"),
    "backgrounds/sunset_by_Aitzol_Berasategi.jpg": _lomiri("Aitzol Berasategi, 2018", "CC-BY-4.0"),
    "backgrounds/umang_by_Abhishek_Mudgal.jpg": _lomiri("Abhishek Mudgal, 2018", "CC-BY-4.0"),
    "backgrounds/Wine_by_Jakkub_Mede.jpg": _lomiri("Jakub Mede, 2018", "CC-BY-4.0"),
    "backgrounds/Fossa_by_Jasper_Roks.jpg": _lomiri("Jasper Roks, 2023", "CC-BY-SA-3.0", "20.04"),
    "backgrounds/Infinite-Sea_by_Aury88.jpg": _lomiri("Aury88, 2019", "CC-BY-SA-3.0", "20.04"),
    "backgrounds/Kleiber_by_Lukas_Baubkus.jpg": _lomiri("Lukas Baubkus, 2021", "CC-BY-SA-3.0", "20.04"),
    "backgrounds/city.png": _UKUI,
    "backgrounds/rollpaper.png": _UKUI,
    "backgrounds/rhythm.jpg": _UKUI,
}


def by_its_metadata(photo: Path, author: str, licence: str) -> tuple[str, str]:
    """Author and licence of a KDE wallpaper, which has them in a file beside it too; else as given."""
    file = photo.parents[2] / "metadata.json"
    if not file.exists():
        return author, licence
    said = json.loads(file.read_text(encoding="utf-8"))["KPlugin"]
    names = ", ".join(a["Name"] for a in said["Authors"])
    return f"{names}; {author}", f"{licence}; {said['License']} by its own metadata"


def _trimmed(drawing: Image.Image) -> Image.Image:
    drawing = drawing.crop(drawing.getchannel("A").point(lambda v: 255 * (v > 8)).getbbox())
    drawing.thumbnail((SPRITE, SPRITE), Image.Resampling.LANCZOS)
    return drawing.quantize(96, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def noto(unpacked: Path, code: int) -> Image.Image:
    """The Noto drawing of a code point, trimmed."""
    font = ImageFont.truetype(str(next(unpacked.rglob("NotoColorEmoji.ttf"))), 109)
    canvas = Image.new("RGBA", (180, 180))
    ImageDraw.Draw(canvas).text((20, 20), chr(code), font=font, embedded_color=True)
    return _trimmed(canvas)


def twemoji(unpacked: Path, code: int) -> Image.Image:
    """The Twemoji drawing of a code point, trimmed."""
    drawn = subprocess.run(
        ["rsvg-convert", "-w", "160", "-h", "160", str(unpacked / "twemoji" / f"{code:x}.svg")],
        capture_output=True,
        check=True,
    )
    return _trimmed(Image.open(io.BytesIO(drawn.stdout)).convert("RGBA"))


def main(unpacked: Path, out: Path) -> None:
    """Write `sprites/STYLE/NAME.png`, `photos/NN.jpg` and LICENSES.md into `out`."""
    rows = [
        "# Where every asset is from",
        "",
        "Drawings were rendered, trimmed and made smaller; photographs were made smaller. Otherwise",
        "they are as their packages ship them. The licence is what the package's copyright file states.",
        "",
        "| file | what it is | from | licence |",
        "|---|---|---|---|",
    ]
    for style, draw, origin, licence in (
        ("noto", noto, "Debian fonts-noto-color-emoji 2.042 (Google Inc., Arjen Nienhuis)", "SIL OFL 1.1"),
        ("twemoji", twemoji, "npm @twemoji/svg 15.0.0 (Twitter, Inc and contributors; drawings)", "CC-BY 4.0"),
    ):
        folder = out / "sprites" / style
        folder.mkdir(parents=True, exist_ok=True)
        for name, code in CODES.items():
            file = folder / f"{name.replace(' ', '_')}.png"
            draw(unpacked, code).save(file, optimize=True)
            rows.append(f"| sprites/{style}/{file.name} | {name}, U+{code:04X} | {origin} | {licence} |")
    (out / "photos").mkdir(parents=True, exist_ok=True)
    for k, (path, (package, author, licence)) in enumerate(PHOTOS.items()):
        author, licence = by_its_metadata(unpacked / _SHARED / path, author, licence)
        photo = Image.open(unpacked / _SHARED / path).convert("RGB")
        scale = PHOTO / min(photo.size)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
        photo.save(out / "photos" / f"{k:02d}.jpg", quality=80, optimize=True)
        rows.append(
            f"| photos/{k:02d}.jpg | {Path(path).parts[-4] if 'contents' in path else Path(path).stem}"
            f" | Debian {package} ({author}) | {licence} |"
        )
    (out / "LICENSES.md").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
