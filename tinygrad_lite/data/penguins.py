"""The Palmer penguins: size measurements of 344 adult penguins of three species, a small real table in the wheel.
Missing values are left in place, written `NA`: 333 of the 344 rows are complete.

Source: Gorman KB, Williams TD, Fraser WR (2014), "Ecological Sexual Dimorphism and Environmental Variability within a
Community of Antarctic Penguins (Genus Pygoscelis)", PLoS ONE 9(3): e90081, doi:10.1371/journal.pone.0090081.
Collected by Dr. Kristen Gorman and the Palmer Station, Antarctica LTER. Data licence: CC0.
The table is the `penguins.csv` of the palmerpenguins data package (Horst, Hill and Gorman 2020).
"""

from __future__ import annotations

from importlib.resources import files

from .table import Table, parse_table

__all__ = ["PENGUINS_CITATION", "PENGUINS_LICENCE", "load_penguins"]

PENGUINS_CITATION = "Gorman, Williams and Fraser 2014, doi:10.1371/journal.pone.0090081"
PENGUINS_LICENCE = "CC0"


def load_penguins() -> Table:
    """The table of 344 penguins, one a row, as measured near Palmer Station, Antarctica, in 2007-2009.

    Columns: species (Adelie, Chinstrap, Gentoo), island (Biscoe, Dream, Torgersen), bill_length_mm, bill_depth_mm,
    flipper_length_mm (mm), body_mass_g (g), sex (female, male), year. Missing: 11 in sex, 2 in each measurement.

        penguins = load_penguins()
        penguins["body_mass_g"]      # float64 (344,), nan where missing

    Source: Gorman KB, Williams TD, Fraser WR (2014), PLoS ONE 9(3): e90081, doi:10.1371/journal.pone.0090081.
    Licence: CC0. By way of the palmerpenguins data package (Horst, Hill and Gorman 2020)."""
    text = files("tinygrad_lite.data").joinpath("penguins.csv").read_text(encoding="utf-8")
    return parse_table(text, source="penguins.csv")
