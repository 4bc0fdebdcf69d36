import io

import pytest

from rowmill.builtin.formats.delimited import CommaWriter, DelimitedReader
from rowmill.core.errors import InputError
from rowmill.plugins.contracts import Layout

from .spectrum import DOCUMENTS, REFUSED, Document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_is_read_as_the_table_it_means(document: Document) -> None:
    reader = DelimitedReader(io.BytesIO(document.content), "t.csv")
    assert (reader.columns, list(reader.rows())) == (document.columns, document.rows)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_its_table_written_again_is_read_the_same(document: Document) -> None:
    file = io.BytesIO()
    CommaWriter(file, Layout(document.columns)).write(document.rows)
    reader = DelimitedReader(file, "t.csv")
    assert (reader.columns, list(reader.rows())) == (document.columns, document.rows)


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_means_no_table_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(InputError, match=r"t\.csv"):
        list(DelimitedReader(io.BytesIO(content), "t.csv").rows())
