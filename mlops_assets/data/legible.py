"""Text that comes from data, as it may stand in a picture, a page or a table: it may hold anything; and pictures."""

from __future__ import annotations

import base64
import re
from html import escape

# Neither XML 1.0 nor a terminal has these: controls, lone surrogates, noncharacters of the first plane;
# and what turns the direction of the text around it (UAX 9) makes it read as what it is not.
_ILLEGAL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_WHITESPACE = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
# What Markdown would read as its own.
_MARKDOWN = re.compile(r"([\\`*\[\]<>|])")


def legible(text: str, most: int | None = None) -> str:
    """On one line, what no document may hold replaced by U+FFFD, and cut to ``most`` characters.

    >>> legible("a\\nb\\0c"), legible("Llanfairpwll", 6)
    ('a b\ufffdc', 'Llanf…')
    """
    clean = _ILLEGAL.sub("\ufffd", _WHITESPACE.sub(" ", text))
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


def in_html(text: str, most: int | None = None) -> str:
    """Legible, and as text of XML or HTML.

    >>> in_html("<b>")
    '&lt;b&gt;'
    """
    return escape(legible(text, most))


def in_markdown(text: str, most: int | None = None) -> str:
    """Legible, and as text of a Markdown table's cell or of a picture's name.

    >>> in_markdown("a|b [c]")
    'a\\\\|b \\\\[c\\\\]'
    """
    return _MARKDOWN.sub(r"\\\1", legible(text, most))


def embedded(picture: bytes, kind: str, title: str) -> str:
    """Markdown: a picture inside the text, which no server is asked for. kind: ``png`` or ``svg+xml``.

    >>> embedded(b"<svg/>", "svg+xml", "of a column")
    '![of a column](data:image/svg+xml;base64,PHN2Zy8+)'
    """
    return f"![{in_markdown(title)}](data:image/{kind};base64,{base64.b64encode(picture).decode()})"
