"""A mark with a word in it. Kinds: ok, look, lost, info, quiet."""

from typing import NamedTuple


class Tag(NamedTuple):
    kind: str
    text: str
