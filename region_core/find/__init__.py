"""From an encoded picture and a caption to regions."""

from .find import find_regions
from .regions import Box, Region, Regions

__all__ = ["Box", "Region", "Regions", "find_regions"]
