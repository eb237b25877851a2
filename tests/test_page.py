"""The page of pictures: whole, in order, and safe against its own texts."""

from html.parser import HTMLParser

import pytest

from minissd.errors import InputError
from minissd.page import Picture, Section, Table, write_page

NASTY = """<script>alert("a & b")</script> 'x' $title"""


class Reader(HTMLParser):
    """Collects tags with attributes, and texts by the tag they are in."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1], data))


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []  # every tag is closed, in order
    return reader


def attributes(reader, tag, name):
    return [values[name] for found, values in reader.tags if found == tag]


def test_sections_come_in_order_with_number_title_picture_and_sentence(tmp_path):
    sections = [Section("01_a.png", "First", "One."), Section("02_b.png", "Second", "Two.")]
    write_page(tmp_path / "index.html", "The page", "Hello.", sections)
    reader = read(tmp_path / "index.html")
    assert [text for tag, text in reader.texts if tag in ("title", "h1")] == ["The page", "The page"]
    assert [text for tag, text in reader.texts if tag == "p"] == ["Hello.", "One.", "Two."]
    assert [text for tag, text in reader.texts if tag == "h2"] == ["1. First", "2. Second"]
    assert attributes(reader, "img", "src") == ["01_a.png", "02_b.png"]
    assert attributes(reader, "img", "alt") == ["First", "Second"]
    links = [text for tag, text in reader.texts if tag == "a"]
    assert links == ["First", "Second"]
    assert [h.removeprefix("#") for h in attributes(reader, "a", "href")] == attributes(
        reader, "section", "id"
    )


def test_texts_are_texts_and_not_html(tmp_path):
    picture = """a"b<c>&'.png"""
    more = [Table(NASTY, [NASTY], [[NASTY, NASTY]]), Picture(picture, NASTY, NASTY)]
    write_page(tmp_path / "index.html", NASTY, NASTY, [Section(picture, NASTY, NASTY, NASTY, more)])
    reader = read(tmp_path / "index.html")
    assert "script" not in {tag for tag, _ in reader.tags}
    joined = {
        tag: "".join(text for t, text in reader.texts if t == tag)
        for tag in ("title", "h1", "p", "h2", "a", "th", "td")
    }
    assert joined == {
        "title": NASTY,
        "h1": NASTY,
        "p": NASTY * 4,
        "h2": "1. " + NASTY,
        "a": NASTY,
        "th": NASTY * 2,
        "td": NASTY,
    }
    assert attributes(reader, "img", "src") == [picture] * 2
    assert attributes(reader, "img", "alt") == [NASTY] * 2
    assert attributes(reader, "a", "href") == ["#" + attributes(reader, "section", "id")[0]]


def test_letters_of_all_languages(tmp_path):
    write_page(tmp_path / "index.html", "Übersicht × 梨", "", [])
    assert "Übersicht × 梨" in (tmp_path / "index.html").read_bytes().decode("utf-8")
    assert ("meta", {"charset": "utf-8"}) in read(tmp_path / "index.html").tags


def test_more_pictures_and_tables_follow_the_first_picture(tmp_path):
    table = Table("Rows:", ("fruit", "price"), [("apple", "2"), ("pear", "3")])
    more = [table, Picture("b.png", "Another.", "a pear")]
    sections = [Section("a.png", "Title", "First.", "an apple", more), Section("c.png", "Last", "End.")]
    write_page(tmp_path / "index.html", "T", "I", sections)
    reader = read(tmp_path / "index.html")
    shown = [
        tag if tag == "table" else values["src"] for tag, values in reader.tags if tag in ("img", "table")
    ]
    assert shown == ["a.png", "table", "b.png", "c.png"]
    assert attributes(reader, "img", "alt") == ["an apple", "a pear", "Last"]
    assert [text for tag, text in reader.texts if tag == "p"] == ["I", "First.", "Rows:", "Another.", "End."]
    cells = [(tag, text) for tag, text in reader.texts if tag in ("th", "td")]
    expected = ["th", "fruit", "th", "price", "th", "apple", "td", "2", "th", "pear", "td", "3"]
    assert cells == list(zip(expected[::2], expected[1::2]))
    assert attributes(reader, "th", "scope") == ["col", "col", "row", "row"]
    assert len(attributes(reader, "section", "id")) == 2


def test_nothing_is_fetched_from_elsewhere(tmp_path):
    write_page(tmp_path / "index.html", "T", "I", [Section("a.png", "A", "B")])
    text = (tmp_path / "index.html").read_text()
    assert "http" not in text and "@import" not in text and "url(" not in text


def test_a_page_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"index\.html: cannot be written"):
        write_page(tmp_path / "file" / "index.html", "T", "I", [])
