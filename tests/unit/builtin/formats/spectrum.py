"""Documents as other programs write them, each with the table that it means.

Every one is small and odd in one way. ``Document.content`` is the file's bytes; the table is what a person who sees
them would say it holds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    content: bytes
    columns: list[str]
    rows: list[list[str]]


_BIG = "long text, with a comma\n" * 50_000

DOCUMENTS = [
    Document("simple", b"a,b\n1,2\n3,4\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
    Document("no line end at the end", b"a,b\n1,2", ["a", "b"], [["1", "2"]]),
    Document("lines of DOS", b"a,b\r\n1,2\r\n3,4\r\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
    Document("lines of the old Macintosh", b"a,b\r1,2\r3,4\r", ["a", "b"], [["1", "2"], ["3", "4"]]),
    Document("line ends of every kind", b"a,b\n1,2\r\n3,4\r5,6", ["a", "b"], [["1", "2"], ["3", "4"], ["5", "6"]]),
    Document("comma in quotes", b'name,place\nAnn,"Rome, Italy"\n', ["name", "place"], [["Ann", "Rome, Italy"]]),
    Document("quotes doubled", b'a,b\n1,"ha ""ha"" ha"\n', ["a", "b"], [["1", 'ha "ha" ha']]),
    Document("nothing but quotes", b'a,b\n"""""",""""\n', ["a", "b"], [['""', '"']]),
    Document("quote within a bare cell", b'size,x\n5" pipe,6\n', ["size", "x"], [['5" pipe', "6"]]),
    Document("everything quoted", b'"a","b"\n"1","2"\n', ["a", "b"], [["1", "2"]]),
    Document("newline in quotes", b'a,b\n"x\ny",2\n3,4\n', ["a", "b"], [["x\ny", "2"], ["3", "4"]]),
    Document("DOS newline in quotes", b'a,b\r\n"x\r\ny",2\r\n', ["a", "b"], [["x\r\ny", "2"]]),
    Document("carriage return in quotes", b'a,b\n"x\ry",2\n', ["a", "b"], [["x\ry", "2"]]),
    Document("blank lines in quotes", b'a,b\n"x\n\n\ny",2\n', ["a", "b"], [["x\n\n\ny", "2"]]),
    Document("newline in the header", b'"a\nb",c\n1,2\n', ["a\nb", "c"], [["1", "2"]]),
    Document("empty cells", b"a,b,c\n1,,\n,,3\n,,\n", ["a", "b", "c"], [["1", "", ""], ["", "", "3"], ["", "", ""]]),
    Document("empty cells in quotes", b'a,b,c\n1,"",""\n2,3,4\n', ["a", "b", "c"], [["1", "", ""], ["2", "3", "4"]]),
    Document("blank lines", b"\n\na,b\n\n1,2\n\n\n3,4\n\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
    Document("lines of blanks", b"a,b\n   \n1,2\n\t\n", ["a", "b"], [["1", "2"]]),
    Document("blanks around cells", b"a, b\n 1 ,\t2\n", ["a", "b"], [[" 1 ", "\t2"]]),
    Document("mark of UTF-8", b'\xef\xbb\xbf"a",b\n1,2\n', ["a", "b"], [["1", "2"]]),
    Document("UTF-8", "a,b\nʤ,✓ 名前 🦀\n".encode(), ["a", "b"], [["ʤ", "✓ 名前 🦀"]]),
    Document("UTF-16, marked", "a,b\nKöln,€\n".encode("utf-16"), ["a", "b"], [["Köln", "€"]]),
    Document("UTF-16, little end first", "a,b\nKöln,€\n".encode("utf-16-le"), ["a", "b"], [["Köln", "€"]]),
    Document("UTF-16, big end first", "a,b\nKöln,€\n".encode("utf-16-be"), ["a", "b"], [["Köln", "€"]]),
    Document("Windows-1252", "a,b\nKöln,€ “x”\n".encode("cp1252"), ["a", "b"], [["Köln", "€ “x”"]]),
    Document("line separator of Unicode", "a,b\nx\u2028y,z\u2029\n".encode(), ["a", "b"], [["x\u2028y", "z\u2029"]]),
    Document("other ends of lines", "a,b\nx\x0by\x0c,z\x85\x1c\n".encode(), ["a", "b"], [["x\x0by\x0c", "z\x85\x1c"]]),
    Document("JSON in a cell", b'a,b\n1,"{""k"": [1, ""x""]}"\n', ["a", "b"], [["1", '{"k": [1, "x"]}']]),
    Document("semicolons", b"a;b\n1,5;2\n2,5;3\n", ["a", "b"], [["1,5", "2"], ["2,5", "3"]]),
    Document("tabs", b"a\tb\n1, x\t2\n", ["a", "b"], [["1, x", "2"]]),
    Document("pipes", b"a|b|c\n1|2|3\n", ["a", "b", "c"], [["1", "2", "3"]]),
    Document("Excel's line for the delimiter", b"sep=;\r\na;b\r\n1;2\r\n", ["a", "b"], [["1", "2"]]),
    Document("one column", b"a\n1\n2\n", ["a"], [["1"], ["2"]]),
    Document("one column with an empty cell", b'a\n1\n""\n2\n', ["a"], [["1"], [""], ["2"]]),
    Document(
        "one column with commas in it",
        b"review\nGood\nBad, really\nBad\n",
        ["review"],
        [["Good"], ["Bad, really"], ["Bad"]],
    ),
    Document("a header alone", b"a,b\n", ["a", "b"], []),
    Document("columns without names", b"a,,\n1,2,3\n", ["a", "column_2", "column_3"], [["1", "2", "3"]]),
    Document("short rows", b"a,b,c\n1\n1,2\n", ["a", "b", "c"], [["1", "", ""], ["1", "2", ""]]),
    Document("commas at every end", b"a,b\n1,2,\n3,4,,\n", ["a", "b"], [["1", "2"], ["3", "4"]]),
    Document("numbers that are none", b"a,b\n007,1e5\n+1,TRUE\n", ["a", "b"], [["007", "1e5"], ["+1", "TRUE"]]),
    Document("formulas", b'a,b\n=1+1,"=HYPERLINK(""x"")"\n', ["a", "b"], [["=1+1", '=HYPERLINK("x")']]),
    Document("backslashes", b"a,b\nC:\\dir\\,\\n\n", ["a", "b"], [["C:\\dir\\", "\\n"]]),
    Document("apostrophes", b"a,b\n'1,2'\n", ["a", "b"], [["'1", "2'"]]),
    Document("the end mark of DOS", b"a,b\r\n1,2\r\n\x1a", ["a", "b"], [["1", "2"]]),
    Document("a huge cell", f'a,b\n1,"{_BIG}"\n2,x\n'.encode(), ["a", "b"], [["1", _BIG], ["2", "x"]]),
]

REFUSED = {
    "nothing": b"",
    "nothing but line ends": b"\r\n\r\n",
    "a NUL": b"a,b\n1,\x002\n",
    "a quote never closed": b'a,b\n1,"2\n3,4\n',
    "a name twice": b"a,b,a\n1,2,3\n",
    "UTF-8 that ends amid the file": "a,b\nKöln,2\n".encode() + b"\xff\xfe,4\n",
}
"""Files of which no one can say what table they mean."""
