"""How a cheap look ranks the candidates against the full edit."""

import json
import math

import pytest
import torch

from benchmark import rank
from benchmark.__main__ import main


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ([1, 2, 3, 4], [10, 200, 3000, 4e4], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], 0.8),
        ([1, 2, 2, 3], [1, 2, 3, 4], 4.5 / math.sqrt(4.5 * 5)),
    ],
)
def test_spearman(a, b, want):
    assert rank.spearman(torch.tensor(a).float(), torch.tensor(b).float()) == pytest.approx(want)


def test_the_table_and_the_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rank, "LOOKS", ((1, 1.0),))
    quick = rank.shapes_settings("standard").with_values(
        steps=2, guidance_scale=1.0, preview_steps=2, preview_guidance=1.0, point_number=2, max_window_size=4
    )
    monkeypatch.setattr(rank, "shapes_settings", lambda _: quick)
    assert (
        main(["rank", "--scenes", "2", "--seed", "5", "--candidates", "4", "--json", str(tmp_path / "rank.json")]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    # two steps without guidance are the full edit here, so the order is the same
    assert "| 2 | 1 | common | 2 | 1.00 | 1.00 to 1.00 |" in lines
    # and from a noise of its own each candidate is another picture
    assert lines[-1].startswith("| 2 | 1 | each its own | 2 | ")
    found = json.loads((tmp_path / "rank.json").read_text())
    assert [(one["steps"], one["own_noise"]) for one in found["looks"]] == [
        (1, False),
        (2, False),
        (2, True),
        (2, True),
    ]
    assert all(len(one["per_scene"]) == 2 for one in found["looks"])


def test_too_few_candidates_are_refused(capsys):
    assert main(["rank", "--scenes", "2", "--seed", "5", "--candidates", "1"]) == 2
    assert "candidates is 1" in capsys.readouterr().err
