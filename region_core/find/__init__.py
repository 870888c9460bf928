"""From an encoded picture and a caption to regions."""

from .find import find_regions
from .regions import SHOWN, Box, Region, Regions

__all__ = ["SHOWN", "Box", "Region", "Regions", "find_regions"]
