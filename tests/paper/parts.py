"""Candidates on a small grid, features and generators for them."""

from __future__ import annotations

import torch

from region_core.paper.anchors import CandidateSet, candidate_boxes

DIM, GRID = 12, 32
ANCHORS = torch.tensor([[4, 4], [16, 16], [26, 27]])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def candidates(anchors: torch.Tensor = ANCHORS, sizes: tuple[int, ...] = (1, 2, 4)) -> CandidateSet:
    return candidate_boxes(anchors, max(sizes), (GRID, GRID), (256, 256), sizes)


def noise_features(seed: int = 3) -> torch.Tensor:
    return torch.randn(DIM, GRID, GRID, generator=rng(seed))


def box_probabilities(module, features, found) -> torch.Tensor:
    """[K*M] over all candidates."""
    with torch.no_grad():
        return module(features, found.cells).flatten().softmax(0)
