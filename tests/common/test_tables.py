"""Users' tables: text in, the same text out, or one clear sentence."""

import gzip

import pytest

from common.tables import TableError, read_text_csv, write_text_csv


@pytest.fixture
def table_file(tmp_path):
    def write(content: bytes | str, name: str = "in.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def refusal(path, **options) -> str:
    with pytest.raises(TableError) as caught:
        read_text_csv(path, **options)
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


def test_cells_stay_the_text_they_were(table_file):
    text = 'id,formula,x\n007,NaN,1.50\n,NA,1e5\nnull,None, a \ntrue,#N/A,"a,b"\n0x1,nan,2020-01-01\n'
    table = read_text_csv(table_file(text))
    assert table.values.tolist() == [
        ["007", "NaN", "1.50"],
        ["", "NA", "1e5"],
        ["null", "None", " a "],
        ["true", "#N/A", "a,b"],
        ["0x1", "nan", "2020-01-01"],
    ]
    assert table.index.tolist() == [0, 1, 2, 3, 4]


def test_reading_and_writing_keeps_every_byte(table_file, tmp_path):
    text = ',formula,,formula_of\n0,NaN,,"a ""b"", c"\n1,,é,"two\nlines"\n'
    write_text_csv(tmp_path / "out.csv", read_text_csv(table_file(text), needs=["formula"]))
    assert (tmp_path / "out.csv").read_bytes().decode() == text  # also the names of unnamed columns


def test_blank_lines_are_rows(table_file):
    assert read_text_csv(table_file("formula,x\nNaCl,1\n\nMgO,2\n\n")).values.tolist() == [
        ["NaCl", "1"],
        ["", ""],
        ["MgO", "2"],
        ["", ""],
    ]
    assert read_text_csv(table_file("formula\n\nMgO\n"))["formula"].tolist() == ["", "MgO"]


def test_a_short_row_is_filled_with_empty_cells(table_file):
    assert read_text_csv(table_file("formula,x\nNaCl\nMgO,2\n")).values.tolist() == [["NaCl", ""], ["MgO", "2"]]


@pytest.mark.parametrize("content", ["formula\n", "formula", "formula,x\r\n"])
def test_a_header_alone_is_a_table_without_rows(table_file, content):
    table = read_text_csv(table_file(content), needs=["formula"])
    assert len(table) == 0 and table.columns[0] == "formula"


def test_what_spreadsheets_write(table_file):
    table = read_text_csv(table_file("\ufeffformula,x\r\nNaCl,1\r\n"), needs=["formula"])
    assert table.columns.tolist() == ["formula", "x"] and table.values.tolist() == [["NaCl", "1"]]


def test_gzip_is_read_and_written(table_file, tmp_path):
    table = read_text_csv(table_file(gzip.compress("\ufeffformula\nNaN\n".encode()), "in.csv.gz"), needs=["formula"])
    assert table["formula"].tolist() == ["NaN"]
    write_text_csv(tmp_path / "out.csv.gz", table)
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()) == b"formula\nNaN\n"


def test_a_missing_column_is_named_with_those_found(table_file):
    message = refusal(table_file("composition,x\nNaCl,1\n"), needs=["formula"])
    assert "'formula'" in message and "composition, x" in message


def test_a_reserved_column_is_named(table_file):
    assert "'status'" in refusal(table_file("formula,status\nNaCl,1\n"), needs=["formula"], reserves=["status"])


def test_a_column_needed_may_not_be_there_twice(table_file):
    assert "more than one column 'formula'" in refusal(table_file("formula,formula\nA,B\n"), needs=["formula"])


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty.csv"),
        (b"\n\n", "blank.csv"),
        (bytes(range(256)) * 20, "binary.csv"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "picture.csv"),
        ("formula\nNaCl\n".encode("utf-16"), "utf16.csv"),
        (b"formula,x\nNaCl,1\nMgO,2,3\n", "ragged.csv"),
        (b"formula,x\nNaCl,1,2\n", "ragged_first.csv"),
        (b'formula\n"NaCl\nMgO\n', "open_quote.csv"),
        (b"formula\nNaCl\n", "not_gzip.csv.gz"),
        (gzip.compress(b"formula\nNaCl\n" * 999, mtime=0)[:40], "truncated.csv.gz"),
        (gzip.compress(b"formula\nNaCl\n" * 999, mtime=0)[:-9] + b"123456789", "damaged.csv.gz"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(table_file, content, name):
    assert "cannot be read as a CSV file" in refusal(table_file(content, name))


def test_a_file_that_is_not_there(tmp_path):
    assert "does not exist" in refusal(tmp_path / "none.csv")
    assert "is not a file" in refusal(tmp_path)
