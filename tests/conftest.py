"""The small models that come with the pack, loaded once for all tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from region_core.encoders.clip import ClipScorer
    from region_core.encoders.loading import Models


@pytest.fixture(scope="session")
def models() -> Models:
    """The pipeline, DINO and CLIP of the shapes world. A test that changes one copies it first."""
    from region_core.demo.models import load_shapes_models

    return load_shapes_models()


@pytest.fixture(scope="session")
def scorer(models: Models) -> ClipScorer:
    """CLIP alone."""
    return models.scorer


@pytest.fixture(scope="session")
def pipe(models: Models) -> Any:
    """The inpainting pipeline alone."""
    return models.pipe
