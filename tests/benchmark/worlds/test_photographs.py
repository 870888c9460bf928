"""Photographs: what is asked of a folder, where the right answer is, and the rows on invented pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.ledger import Ledger
from benchmark.rows import half_of
from benchmark.run import Plan, run
from benchmark.worlds.opening import open_world
from benchmark.worlds.photographs.questions import SIZES, UNKNOWN, digest, read_questions
from benchmark.worlds.photographs.world import PhotographsWorld, filled
from region_core.demo.models import load_shapes_models
from region_core.demo.worlds import held_out
from region_core.errors import InputError, with_article

SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]


def thing(name: str, box: list[float], crowd: bool = False) -> dict:
    x0, y0, x1, y1 = box
    return {"name": name, "box": box, "crowd": crowd, "outline": [[x0, y0, x1, y0, x1, y1, x0, y1]]}


def write(folder: Path, name: str, entries: list[dict]) -> None:
    (folder / name).write_text(json.dumps(entries))
    for one in entries:
        file = folder / one["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 50), (90, 120, 150)).save(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    animals = ["dog", "cat", "owl"]
    tools = ["bucket", "drum", "sofa"]
    subjects = [
        {
            "file": f"s/{name}.jpg",
            "imagenet": f"{wnid}{i:04d}",
            "caption": with_article(name),
            "boxes_in_shares": [[0.1, 0.2, 0.5, 0.9]],
        }
        for wnid, names in (("n0208", animals), ("n0290", tools))
        for i, name in enumerate(names)
    ]
    write(tmp_path, "subjects.json", subjects)
    more = [
        {
            "file": "m/n01491361.jpg",
            "imagenet": "n01491361",
            "caption": "a tiger shark",
        },  # one of those we have boxes of
        {"file": "m/mine.jpg", "imagenet": "n03000000", "caption": "a thing"},
        {"file": "m/nobody.jpg", "imagenet": "n03010000", "caption": "a thing without a box"},
    ]
    write(tmp_path, "more.json", more)
    (tmp_path / "more_boxes.json").write_text(json.dumps([{"file": "m/mine.jpg", "boxes_in_shares": [[0, 0, 1, 0.5]]}]))
    scene = {"file": "c/1.jpg", "width": 100, "height": 50}
    scene["things"] = [
        *(thing("cup", [x, 0, x + 4, 10]) for x in (0, 10)),  # 0.8 % each
        thing("sheep", [20, 0, 30, 10]),  # 2 %
        thing("owl", [30, 0, 50, 20]),  # 8 %
        thing("sofa", [0, 20, 50, 50]),  # 30 %
        *(thing("egg", [x, 40, x + 10, 50]) for x in (50, 60, 70, 80)),  # too many
        thing("fly", [90, 0, 92, 10]),  # 0.4 %
        thing("crowded", [0, 0, 50, 50], crowd=True),
        thing("person", [0, 0, 50, 50]),  # not told apart by the stand-in
    ]
    names = ("bus", "bear", "kite", "bird")
    other = {"file": "c/2.jpg", "width": 100, "height": 50, "things": [thing(n, [0, 0, 50, 50]) for n in names]}
    write(tmp_path, "coco.json", [scene, other])
    return tmp_path


def test_things_are_sorted_by_their_size_and_what_cannot_be_asked_is_left_out(folder: Path) -> None:
    asked = {(q.kind, q.caption) for q in read_questions(folder) if q.file.name == "1.jpg" and q.boxes}
    assert asked == {("tiny", "a cup"), ("small", "a sheep"), ("middle", "an owl"), ("large", "a sofa")}
    cups = next(q for q in read_questions(folder) if q.caption == "a cup")
    assert cups.boxes == ((0.0, 0.0, 0.04, 0.2), (0.1, 0.0, 0.14, 0.2))
    assert len(cups.outlines) == 2


def test_what_is_asked_for_and_is_not_there_is_not_there(folder: Path) -> None:
    questions = read_questions(folder)
    animals = {"a dog", "a cat", "an owl", "a tiger shark"}
    absent = [q for q in questions if q.kind == "no-subject"]
    assert len(absent) == 9
    for q in absent:
        own = q.file.stem in ("dog", "cat", "owl", "n01491361")
        assert (q.caption in animals) != own, q
    scenes = [q for q in questions if q.kind == "no-thing"]
    assert {q.caption for q in scenes if q.file.name == "1.jpg"} <= {"a bus", "a bear", "a kite", "a bird"}
    assert {q.caption for q in scenes if q.file.name == "2.jpg"}.isdisjoint({"a bus", "a bear", "a kite", "a bird"})
    assert all(q.caption.split()[-1] not in UNKNOWN for q in scenes)
    assert len(scenes) == 6


def test_questions_of_a_photograph_do_not_hang_on_the_order_of_the_list(folder: Path) -> None:
    before = read_questions(folder)
    entries = json.loads((folder / "subjects.json").read_text())
    (folder / "subjects.json").write_text(json.dumps(entries[::-1]))
    after = read_questions(folder)
    assert {(q.file.name, q.caption) for q in before} == {(q.file.name, q.caption) for q in after}
    assert digest(before) != digest(after)  # their numbers changed


def test_boxes_come_from_the_folder_and_else_from_our_own(folder: Path) -> None:
    further = {q.file.name: q.boxes for q in read_questions(folder) if q.kind == "further"}
    assert further["mine.jpg"] == ((0.0, 0.0, 1.0, 0.5),)
    assert set(further) == {"mine.jpg", "n01491361.jpg"}


def test_our_own_boxes_are_boxes() -> None:
    labels = json.loads((Path(read_questions.__code__.co_filename).parent / "boxes.json").read_text())
    assert len(labels) == 112
    for boxes in labels.values():
        for x0, y0, x1, y1 in boxes:
            assert 0 <= x0 < x1 <= 1
            assert 0 <= y0 < y1 <= 1


def test_tasks_are_in_pixels_of_the_photograph(folder: Path) -> None:
    world = open_world("photographs", photographs=folder)
    assert set(SIZES) < set(world.kinds)
    task = world.task("large", 0, 0)
    assert task.boxes == ((0.0, 20.0, 50.0, 50.0),)
    assert task.masks[0].sum() == 50 * 30
    assert task.masks[0][20:, :50].all()
    assert (task.size, task.source, half_of(task.source)) == ((50, 100), "1.jpg", half_of("1.jpg"))
    assert world.task("no-thing", 0, 0).absent
    assert world.count("subject") == 6


def test_an_outline_of_several_pieces_is_filled() -> None:
    pieces = ([v / 40 for v in SQUARE], [v / 40 for v in (0, 0, 5, 0, 5, 5, 0, 5)])
    mask = filled(pieces, 40, 40)
    expected = np.zeros((40, 40), bool)
    expected[10:30, 10:30], expected[:5, :5] = True, True
    assert np.array_equal(mask, expected)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("coco.json", "{", "is no JSON"),
        ("coco.json", '[{"file": "c/1.jpg"}]', "not as they should be"),
        (
            "subjects.json",
            '[{"file": "a", "imagenet": "n1", "caption": "a", "boxes_in_shares": [[0, 0, 0, 1]]}]',
            "empty",
        ),
    ],
)
def test_a_list_that_is_wrong_is_told(folder: Path, name: str, text: str, words: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=words):
        read_questions(folder)


def test_a_folder_without_photographs_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no subjects.json"):
        read_questions(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        read_questions(tmp_path / "none")
    with pytest.raises(InputError, match="--photographs DIR"):
        open_world("photographs")


def test_every_row_that_needs_no_painter_is_measured(tmp_path: Path) -> None:
    """On a picture of shapes, with the demo's own small models in the place of real ones."""
    scene, wish = held_out(5, 1)
    Image.fromarray(scene.image).save(tmp_path / "scene.png")
    things = [{**thing(one.name.removeprefix("a "), [float(v) for v in one.box])} for one in scene.objects]
    size = {"width": scene.image.shape[1], "height": scene.image.shape[0]}
    (tmp_path / "coco.json").write_text(json.dumps([{"file": "scene.png", "things": things, **size}]))
    world = PhotographsWorld(tmp_path)
    world.questions.pop("packaged", None)  # those of installed packages take long
    models = load_shapes_models()
    names = ["found", "map:0.5", "cam:0.3", "centre", "everything", "salient", "best_candidate"]
    file = tmp_path / "b.json"
    ledger = Ledger(file, "photographs", "", 0, {})
    kinds = [kind for kind in world.kinds if kind in SIZES]
    sheets = tmp_path / "sheets"
    text = run(Plan(names, kinds, ["real"], None, sheets=sheets), world, ledger, lambda _: models)
    rows = {name: entry["per_scene"] for name, entry in json.loads(file.read_text())["methods"].items()}
    assert {len(some) for some in rows.values()} == {len(scene.objects)}
    best = max(rows["found"], key=lambda row: row["iou"])
    assert best["iou"] > 0.5
    assert best["mask_iou"] > 0.5
    for told, other in zip(rows["best_candidate"], rows["found"], strict=True):
        assert told["iou"] >= other["iou"]
    assert {row["coverage"] for row in rows["everything"]} == {1.0}
    assert rows["map:0.5"][0]["cost"] == rows["found"][0]["cost"]
    # the picture was encoded once, and counted for each question
    costs = [row["cost"] for row in rows["found"]]
    assert len(costs) > 1
    assert {cost["dino_images"] for cost in costs} == {1}
    assert models.dino.images_encoded < len(costs) * 4
    assert f"half {half_of('scene.png')}" in text
    assert "mask IoU" in text
    assert list(sheets.glob("centre_*_0.png"))
