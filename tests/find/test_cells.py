"""What DINO's cells say of a picture."""

from __future__ import annotations

import pytest
import torch

from region_core.cells import MAX_CELLS, read_cells


def halves(rows: int = 8, columns: int = 12, noise: float = 0.05) -> torch.Tensor:
    """Features [1, 6, rows, columns] of two kinds, left and right, with much in common."""
    made = noise * torch.randn(1, 6, rows, columns, generator=torch.Generator().manual_seed(1))
    made[:, 0] += 3
    made[:, 1, :, : columns // 2] += 1
    made[:, 2, :, columns // 2 :] += 1
    return made


def test_cells_share_with_what_is_like_them_and_near() -> None:
    graph = read_cells(halves(), torch.ones(1, 8, 12))
    assert graph.grid == (8, 12)
    assert graph.affinity.shape == (96, 96)
    torch.testing.assert_close(graph.affinity.sum(dim=1), torch.ones(96))
    row = graph.affinity[4 * 12 + 5].reshape(8, 12)  # at the middle, on the left side
    assert float(row[:, :6].sum()) > 0.99
    assert float(row[:, 3:6].sum()) > 5 * float(row[:, :3].sum())
    assert float(row[:, :3].sum()) > float(row[:, 6:].sum())


def test_a_quarter_of_the_side_away_alike_cells_count_a_third() -> None:
    graph = read_cells(halves(16, 16, noise=0.0), torch.ones(1, 16, 16))
    row = graph.affinity[8 * 16 + 2].reshape(16, 16)
    assert float(row[12, 2] / row[8, 2]) == pytest.approx(torch.tensor(-1.0).exp().item(), rel=1e-3)


def test_six_nats_a_standard_deviation_of_likeness() -> None:
    features = torch.zeros(1, 3, 6, 12)
    for kind in range(3):
        features[:, kind, :, 4 * kind : 4 * kind + 4] = 1
    row = read_cells(features, torch.ones(1, 6, 12)).affinity[3 * 12 + 4].reshape(6, 12)
    # less their mean, cells of one kind have the cosine 1 and others -0.5; over all pairs that spreads by 0.5 ** 0.5
    assert float((row[3, 5] / row[3, 3]).log()) == pytest.approx(6 * 1.5 / 0.5**0.5, rel=1e-3)


def test_what_all_cells_share_tells_nothing_apart() -> None:
    much = halves(noise=0.3)
    much[:, 3] += 20
    attention = torch.ones(1, 8, 12)
    shared, plain = read_cells(much, attention).affinity, read_cells(halves(noise=0.3), attention).affinity
    torch.testing.assert_close(shared, plain, atol=1e-3, rtol=1e-2)


def test_the_figure_is_told_by_the_direction_of_features_and_not_by_their_length() -> None:
    features, attention = halves(), torch.zeros(1, 8, 12)
    attention[..., :6] = 1
    features[..., 2:4, 5:8] *= 50
    figure = read_cells(features, attention).figure.reshape(8, 12)
    assert float(figure[:, :6].min()) > 0.5
    assert float(figure[:, 6:].max()) < -0.5


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_figure_is_the_side_that_is_attended_to(side: str) -> None:
    attention = torch.zeros(1, 8, 12)
    half = slice(0, 6) if side == "left" else slice(6, 12)
    attention[..., half] = 0.1
    attention[..., 4, 4:8] = 0.2
    figure = read_cells(halves(), attention).figure.reshape(8, 12)
    other = slice(6, 12) if side == "left" else slice(0, 6)
    assert float(figure[:, half].min()) > 0.5
    assert float(figure[:, other].max()) < -0.5
    assert float(figure.mean()) == pytest.approx(0, abs=1e-5)
    assert float(figure.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_another_scale_of_features_and_attention_is_the_same() -> None:
    attention = torch.rand(1, 8, 12, generator=torch.Generator().manual_seed(2))
    plain, scaled = read_cells(halves(), attention), read_cells(halves() * 250, attention * 0.01)
    torch.testing.assert_close(scaled.affinity, plain.affinity, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(scaled.figure, plain.figure, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("grid", "read"),
    [((48, 48), (48, 48)), ((32, 72), (32, 72)), ((13, 78), (13, 78)), ((128, 128), (48, 48)), ((50, 200), (24, 96))],
)
def test_of_very_many_cells_a_coarser_grid_of_the_same_shape_is_read(
    grid: tuple[int, int], read: tuple[int, int]
) -> None:
    attention = torch.zeros(1, *grid)
    attention[..., grid[1] // 2 :] = 1
    graph = read_cells(halves(*grid), attention)
    assert graph.grid == read
    assert read[0] * read[1] <= MAX_CELLS
    assert graph.affinity.shape == (read[0] * read[1],) * 2
    figure = graph.figure.reshape(read)
    assert float(figure[:, read[1] // 2 :].min()) > 0 > float(figure[:, : read[1] // 2].max())


@pytest.mark.parametrize("grid", [(1, 1), (1, 5), (2, 2)])
def test_the_smallest_grids_and_features_that_are_all_alike_make_numbers(grid: tuple[int, int]) -> None:
    for features in (torch.ones(1, 6, *grid), halves(*grid)):
        graph = read_cells(features, torch.ones(1, *grid))
        assert bool(graph.affinity.isfinite().all())
        assert bool(graph.figure.isfinite().all())
