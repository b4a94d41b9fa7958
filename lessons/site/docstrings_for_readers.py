"""Docstrings and signatures as the reference shows them.

A docstring may describe two arguments in one entry, ``a, b: …``; Sphinx would take ``a,`` for a type. And it spells out
the types that the code has short names for.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_SEVERAL = re.compile(r"(?P<indent> +)(?P<names>\w+(?:, \w+)+): (?P<text>.+)")
_SPELT_OUT = (
    (r"(?:~?\w+\.)*TypeAliasForwardRef\('(\w+)'\)", r"\1"),
    (r"~?numpy\.ndarray\[~?tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[[~.\w]+\]\]", "Array"),
    (r"~?tuple\[Array, ~?tuple\[[~.\w]*Callable\[\[Array\], Array\], \.\.\.\]\]", "Result"),
)
"""Types, as Sphinx spells them out, and the names that the code has for them, to be replaced in this order."""


def one_name_an_entry(_app: Sphinx, _what: str, _name: str, _of: Any, _options: Any, lines: list[str]) -> None:
    """Repeat the entry ``a, b: …`` of a docstring for each of its names."""
    written, rest = [], list(lines)
    while rest:
        entry = [rest.pop(0)]
        found = _SEVERAL.fullmatch(entry[0])
        if found:
            deeper = found["indent"] + " "
            while rest and rest[0].startswith(deeper):
                entry.append(rest.pop(0))
            for single in found["names"].split(", "):
                written += [f"{found['indent']}{single}: {found['text']}", *entry[1:]]
        else:
            written += entry
    lines[:] = written


def short_types(
    _app: Sphinx, _what: str, _name: str, _of: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Return the signature with the names of types that the code uses, such as Array."""
    return _short(signature), _short(returns)


def _short(text: str | None) -> str | None:
    for pattern, name in _SPELT_OUT if text else ():
        text = re.sub(pattern, name, text)
    return text


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before napoleon, which reads the entries, with priority 500."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", one_name_an_entry, priority=400)
    app.connect("autodoc-process-signature", short_types)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
