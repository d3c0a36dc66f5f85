"""A whole HTML page in one file: it needs no network, and text that comes from data cannot change it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mlops_assets.data.legible import in_html

STYLE = """
body { font: 14px/1.5 sans-serif; margin: 2rem auto; max-width: 70rem; color: #222; }
table { border-collapse: collapse; }
td, th { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left; }
img { max-width: 100%; }
.words { overflow-wrap: anywhere; min-width: 7rem; }
.error { color: #b00020; font-weight: bold; }
.warn { color: #b26a00; font-weight: bold; }
.number { text-align: right; white-space: nowrap; }
figure { display: inline-block; margin: 0 1rem 1rem 0; }
"""

# A number, its share or what it is a number of.
_NUMBER = re.compile(r"[+-]?\d[\d,.]*(e[+-]?\d+)?%?( (to|on) .*)?")


def whole(title: str, *parts: str) -> str:
    """The page. parts: HTML, each made by the functions of this module or safe by itself."""
    named = in_html(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{named}</title>'
        f"<style>{STYLE}</style><h1>{named}</h1>{''.join(parts)}</html>"
    )


def section(title: str, *parts: str) -> str:
    """A part with a heading; nothing when there is nothing in it."""
    body = "".join(parts)
    return f"<h2>{in_html(title)}</h2>{body}" if body else ""


def listed(sentences: Iterable[str]) -> str:
    """Sentences, one below the other."""
    items = "".join(f"<li>{in_html(sentence)}</li>" for sentence in sentences)
    return f"<ul>{items}</ul>" if items else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells of text; those that are numbers stand on the right. Nothing when there are no rows."""
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    head = "".join(f"<th>{in_html(name)}</th>" for name in header)
    return f"<table><tr>{head}</tr>{body}</table>" if body else ""


def _cell(text: str) -> str:
    return f'<td class="{"number" if _NUMBER.fullmatch(text) else "words"}">{in_html(text)}</td>'
