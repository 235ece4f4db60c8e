"""Tables: what is read from CSV text, what is refused and in which words, and what becomes of it as numbers.
The witnesses are the standard library's csv, NumPy formulas written out, and sentences spelled out in full.
"""

import csv
import re
from importlib.resources import files

import numpy as np
import pytest

from tinygrad_lite.data import (
    PENGUINS_CITATION,
    StandardScaler,
    constant_columns,
    encode,
    load_penguins,
    parse_table,
    read_table,
    split_rows,
)
from tinygrad_lite.errors import DataError

PEOPLE = """name,age,city,height
Ann,31,Rome,170.5
Bob,?,Oslo,181
Cid,45,Rome,NA
Dee,28,Bern,165
Eve,39,Oslo,172
Fay,50,Bern,168
Gil,33,Oslo,177
Hal,35,Rome,180
"""


def refusal(text, target=None, **options):
    """The one sentence with which a table is refused."""
    with pytest.raises(DataError) as caught:
        encode(parse_table(text, "t.csv"), target, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


# --- the penguins

def test_penguins_equal_what_csv_reads_from_the_same_file():
    with files("tinygrad_lite.data").joinpath("penguins.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = load_penguins()
    assert len(table) == len(rows) == 344
    assert table.names == tuple(rows[0])
    for name in ("body_mass_g", "bill_length_mm", "year"):
        assert np.array_equal(table[name], [float("nan" if r[name] == "NA" else r[name]) for r in rows], equal_nan=True)
    assert list(table["sex"]) == ["" if r["sex"] == "NA" else r["sex"] for r in rows]


def test_penguins_carry_their_citation_and_licence():
    for text in (load_penguins.__doc__, PENGUINS_CITATION):
        assert "Gorman" in text
        assert "doi:10.1371/journal.pone.0090081" in text
    assert "CC0" in load_penguins.__doc__


def test_penguins_have_333_complete_rows_and_name_their_gaps():
    design = encode(load_penguins(), "body_mass_g")
    assert design.X.shape == (333, 9)
    assert design.rows_dropped == 11
    assert {gap.column: len(gap.lines) for gap in design.missing} == {
        "body_mass_g": 2, "bill_length_mm": 2, "bill_depth_mm": 2, "flipper_length_mm": 2, "sex": 11}
    assert [str(gap) for gap in design.missing if gap.column == "sex"] == ["sex 11 (lines 5, 10, 11, ...)"]
    assert design.names[:3] == ("species=Chinstrap", "species=Gentoo", "island=Dream")
    assert design.bases == ("species=Adelie", "island=Biscoe", "sex=female")


# --- reading

@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter):
    table = parse_table('a,b,c\n1,"x, y; z",3\n2,w,4\n'.replace(",", delimiter).replace(f"x{delimiter} ", "x, "))
    assert table.names == ("a", "b", "c")
    assert list(table["b"]) == ["x, y; z", "w"]
    assert np.array_equal(table["c"], [3, 4])


def test_a_semicolon_file_with_commas_in_a_cell_is_not_cut_at_the_commas():
    table = parse_table("place;size\nRome, Italy;1\nOslo, Norway;2\n")
    assert list(table["place"]) == ["Rome, Italy", "Oslo, Norway"]
    assert parse_table("town, region, land;size\nRome;1\nOslo;2\n").names == ("town, region, land", "size")


def test_every_missing_word_is_a_gap_in_numbers_and_in_categories():
    words = ["", "NA", "NaN", "nan", "null", "NULL", "?", "n/a", " NA "]
    table = parse_table("n,c\n1,a\n2,b\n" + "".join(f"{word},{word}\n" for word in words[1:]) + ",NA\n")
    assert table.missing("n").sum() == table.missing("c").sum() == len(words)
    assert np.isnan(table["n"]).sum() == len(words)
    assert list(table["c"][2:]) == [""] * len(words)


def test_a_byte_order_mark_blank_lines_and_blanks_around_cells_are_not_data(tmp_path):
    path = tmp_path / "bom.csv"
    path.write_bytes("\ufeffa , b\r\n\r\n 1, 2\r\n3 ,4\r\n\r\n".encode())
    table = read_table(path)
    assert table.names == ("a", "b")
    assert np.array_equal(table["a"], [1, 3])
    assert table.lines == (3, 4)  # as an editor counts: line 2 is blank


def test_lines_are_counted_through_cells_that_span_lines():
    table = parse_table('a,b\n"two\nlines",1\nx,oops\ny,2\nz,3\n', "t.csv")
    assert table.lines == (2, 4, 5, 6)
    with pytest.raises(DataError, match="line 4: 'oops' is not a number"):
        table["b"]


def test_the_row_numbers_that_pandas_and_r_write_are_no_column():
    assert parse_table(",a\n0,5\n1,6\n2,9\n").names == ("a",)
    assert parse_table('"","a"\n"1",5\n"2",6\n').names == ("a",)
    assert parse_table(",a\n7,5\n3,6\n").names == ("column 1", "a")


def test_a_table_says_what_it_is():
    assert repr(parse_table("a,b\n1,2\n", "t.csv")) == "<Table t.csv: 1 rows, columns a, b>"


# --- refused files

@pytest.mark.parametrize(("text", "sentence"), [
    ("", "t.csv is empty: its first line must hold the column names"),
    ("\n \n", "t.csv is empty: its first line must hold the column names"),
    ("a,b\n", "t.csv has column names but no rows"),
    ("a,b,a\n1,2,3\n", "t.csv: two columns are named 'a' (columns 1 and 3)"),
    ("a,b\n1,2\n3\n", "t.csv, line 3: 1 cell, but the first line names 2 columns"),
    ("a,b\n1,2\n3,4,5\n", "t.csv, line 3: 3 cells, but the first line names 2 columns"),
    ("1,2\n3,4\n", "t.csv: the first line holds only numbers ('1,2'): it must hold the column names"),
    ('a,b\n1,"2\n3,4\n', "t.csv is not a readable CSV file: unexpected end of data"),
])
def test_a_file_that_is_no_table_is_refused_in_one_sentence(text, sentence):
    assert refusal(text) == sentence


def test_files_that_cannot_be_read_are_refused_in_one_sentence(tmp_path):
    latin, book = tmp_path / "latin.csv", tmp_path / "book.xlsx"
    latin.write_bytes("a,b\nx,1\ncafé,2\n".encode("latin-1"))
    book.write_bytes(b"PK\x03\x04rest")
    wanted = {
        latin: f"{latin}, line 3: byte 0xe9 is not UTF-8: save the file as UTF-8",
        book: f"{book} is a zip archive or an Excel workbook: save the sheet as CSV",
        tmp_path / "none.csv": f"cannot read {tmp_path / 'none.csv'}: No such file or directory",
        tmp_path: f"cannot read {tmp_path}: Is a directory",
    }
    for path, sentence in wanted.items():
        with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
            read_table(path)


# --- refused columns

@pytest.mark.parametrize(("target", "options", "sentence"), [
    ("heigth", {}, "t.csv: there is no column 'heigth'; did you mean 'height'?"),
    ("CITY", {}, "t.csv: there is no column 'CITY'; did you mean 'city'?"),
    ("zzz", {}, "t.csv: there is no column 'zzz'; the columns are 'name', 'age', 'city' and 'height'"),
    ("age", {"features": ["hight"]}, "t.csv: there is no column 'hight'; did you mean 'height'?"),
    ("age", {"ignore": ["hight"]}, "t.csv: there is no column 'hight'; did you mean 'height'?"),
    ("age", {"features": ["age"]}, "t.csv: 'age' is the target, so it can't be a feature as well"),
    ("age", {"ignore": ["age"]}, "t.csv: 'age' is the target, so it can't be ignored as well"),
    ("age", {"features": ["city"], "ignore": ["city"]},
     "t.csv: 'city' is asked for as a feature, so it can't be ignored as well"),
    ("city", {},
     "t.csv: column 'city', line 2: 'Rome' is not a number, but a target must be (predicting classes is not offered)"),
    ("age", {"missing": "refuse"}, "t.csv: values are missing: age 1 (line 3); height 1 (line 4)"),
    ("age", {"features": ["name"]},
     "t.csv: no feature is left to predict 'age' from: 'name' has 8 different texts in 8 rows"),
])
def test_a_column_that_cannot_serve_is_refused_in_one_sentence(target, options, sentence):
    assert refusal(PEOPLE, target, **options) == sentence


def test_a_few_texts_among_numbers_are_mistakes_and_not_categories():
    text = "x,y\n1,1\n2,2\n3,heavy\n4,4\n5,odd\n"
    sentence = "t.csv: column 'y', line 4: 'heavy' is not a number (1 more cell like it), but 3 cells of the column are"
    assert refusal(text, "y") == sentence
    assert refusal(text, "x") == sentence  # as a feature, too


def test_a_bad_cell_in_a_column_nobody_uses_stops_nobody():
    table = parse_table("x,y,z\n1,1,7\n2,2,7.5\n3,4,oops\n")
    assert encode(table, "y", ignore=["z"]).names == ("x",)
    assert encode(table, "y", features=["x"]).names == ("x",)


@pytest.mark.parametrize(("cell", "words"), [
    ("inf", "'inf' is not a finite number"),
    ("1e999", "'1e999' is not a finite number"),
    ("1_000", "'1_000' is not a number, but 2 cells of the column are"),
    ("x" * 100, "'" + "x" * 37 + "...' is not a number, but 2 cells of the column are"),
])
def test_what_only_python_takes_for_a_number_is_not_one(cell, words):
    assert refusal(f"x,y\n1,1\n2,2\n3,{cell}\n", "y") == f"t.csv: column 'y', line 4: {words}"


def test_decimal_commas_are_named_and_not_guessed_at():
    assert refusal("x;y\n1,5;1\n2,5;2\n3;3\n1,2;4\n", "y") == (
        "t.csv: column 'x', line 2: '1,5' has a comma in a number: write a decimal point and no thousands separator")


def test_a_constant_target_and_one_without_values_are_refused():
    assert refusal("x,y\n1,3\n2,3\n", "y") == "t.csv: the target 'y' is constant (3 in all 2 rows used)"
    assert refusal("x,y\n1,NA\n2,?\n", "y") == "t.csv: the target 'y' has no value in any row"
    assert refusal("x,z,y\n1,,2\n3,,5\n,2,3\n,4,1\n", "y") == (
        "t.csv: every row has a missing value; the most are in x 2 (lines 4, 5): ignore such columns")


# --- as numbers

def test_a_category_of_k_levels_becomes_k_minus_1_columns():
    design = encode(parse_table(PEOPLE), "age")
    assert design.names == ("city=Oslo", "city=Rome", "height")
    assert design.bases == ("city=Bern",)
    assert np.array_equal(design.X, [[0, 1, 170.5], [0, 0, 165], [1, 0, 172], [0, 0, 168], [1, 0, 177], [0, 1, 180]])
    assert np.array_equal(design.y, [31, 28, 39, 50, 33, 35])
    assert design.lines == (2, 5, 6, 7, 8, 9)
    assert design.left_out == (("name", "has 8 different texts in 8 rows"),)


def test_useless_features_are_left_out_and_named_and_cost_no_rows():
    table = parse_table("x,one,same,void,id,y\n1,5,a,,,1\n2,5,a,NA,q,2\n3,5,a,?,r,4\n4,5,,,s,3\n")
    design = encode(table, "y")
    assert design.names == ("x",)
    assert design.rows_dropped == 0
    assert dict(design.left_out) == {
        "one": "is constant (5)",
        "same": "is constant ('a')",
        "void": "has no value in any row",
        "id": "has 3 different texts in 3 rows",
    }


def test_a_feature_that_dropped_rows_leave_constant_is_left_out():
    design = encode(parse_table("x,b,z,y\n1,5,1,1\n2,5,2,2\n3,6,,4\n"), "y")
    assert design.names == ("x", "z")
    assert design.left_out == (("b", "is constant (5) once rows with missing values are dropped"),)


def test_features_come_in_the_order_asked_for():
    assert encode(parse_table(PEOPLE), "age", features=["height", "city"]).names == ("height", "city=Oslo", "city=Rome")


def test_a_split_is_a_partition_that_its_seed_decides():
    train, test = split_rows(333, 0.2, seed=4)
    assert (train.size, test.size) == (266, 67)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(333))
    assert np.array_equal(split_rows(333, 0.2, seed=4)[1], test)
    assert not np.array_equal(split_rows(333, 0.2, seed=5)[1], test)


def test_too_few_rows_to_split_are_refused():
    assert [part.size for part in split_rows(6)] == [4, 2]
    with pytest.raises(DataError, match="^5 rows are too few to hold out 20% of them: each side needs at least 2$"):
        split_rows(5)


def test_the_scaler_knows_the_rows_it_was_fitted_to_only():
    train, test = np.array([[1.0, 0.1], [3.0, 0.1], [8.0, 0.1]]), np.array([[4.0, 0.1], [100.0, 0.3]])
    scaler = StandardScaler().fit(train)
    # mean of 1, 3, 8 is 4; squares 9 + 1 + 16 = 26
    assert np.allclose(scaler.transform(test)[:, 0], [0, 96 / np.sqrt(26 / 3)], rtol=1e-14)
    assert np.allclose(scaler.transform(train)[:, 1], 0, atol=1e-15)  # constant: 0, not 0 / 0 nor 1e-17 / 1e-17
    assert np.allclose(scaler.inverse_transform(scaler.transform(test)), test, rtol=1e-14)
    column = StandardScaler().fit(train[:, 0])
    assert np.allclose(column.transform(train[:, 0]), scaler.transform(train)[:, 0], rtol=1e-15)


def test_constant_columns_are_found():
    assert list(constant_columns(np.array([[1.0, 2.0], [1.0, 3.0]]))) == [True, False]
