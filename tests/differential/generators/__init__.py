"""One generator for each operator or family; see cases.py."""

from . import (attention, contributed, elementwise, graphs, images,  # noqa: F401
               microsoft, movement, normalisation, products, quantised, quantised_maps, reductions,
               sequences)
