"""One generator for each operator or family; see cases.py."""

from . import (elementwise, graphs, images, microsoft, movement, normalisation,  # noqa: F401
               products, quantised, quantised_maps, reductions, sequences)
