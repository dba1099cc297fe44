"""Catalogues: collect the texts of the sources, compare them with the translations, compile.

`python -m app.translations check | update | compile`. Every text a person reads is there in every language,
none is left over, and each translation uses the placeholders of its source.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).resolve().parent.parent
CATALOGUES: Final = ROOT / "locales"
SOURCES: Final = ("app", "metering", "topups", "invoicing")
LANGUAGES: Final = ("nl", "en")
SOURCE_LANGUAGE: Final = "en"  # its texts stand in the sources: an empty translation means "as it is"
KEYWORDS: Final[dict[str, Any]] = DEFAULT_KEYWORDS | {
    "lazy_gettext": None,
    "lazy_ngettext": (1, 2),
    "lazy_pgettext": ((1, "c"), 2),
    "_l": None,
}
PLACEHOLDER: Final = re.compile(r"%\((\w+)\)[sd]|%[sd]")


def path_of(language: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / "messages.po"


def extract() -> Catalog:
    """What the sources say now."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as config:
        methods, options = cast("Any", parse_mapping_cfg)(config)  # it has no types
    catalogue = Catalog(project="Tegoed", charset="utf-8", fuzzy=False)
    for source in SOURCES:
        found = extract_from_dir(
            str(ROOT / source), methods, options, keywords=KEYWORDS, comment_tags=("Translators:",)
        )
        for filename, line, text, comments, context in found:
            place = [(f"{source}/{filename}", line)]
            catalogue.add(text, None, place, auto_comments=comments, context=context)
    return catalogue


def read(language: str) -> Catalog:
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language)


def problems(language: str, sources: Catalog) -> Iterator[str]:
    """What is missing, left over, unsure or wrong in one language."""
    if not path_of(language).exists():
        yield f"{path_of(language).relative_to(ROOT)} does not exist"
        return
    catalogue = read(language)
    for message in sources:
        if not message.id:
            continue
        known = catalogue.get(_key(message), message.context)
        if known is None:
            yield f"missing: {_key(message)!r} ({_place(message)})"
        elif known.fuzzy:
            yield f"fuzzy: {_key(message)!r}"
        elif not all(_texts(known)) and language != SOURCE_LANGUAGE:
            yield f"not translated: {_key(message)!r} ({_place(message)})"
        elif wrong := _wrong_placeholders(message, known):
            yield f"placeholders differ: {_key(message)!r}: {wrong}"
    for message in catalogue:
        if message.id and sources.get(_key(message), message.context) is None:
            yield f"stale: {_key(message)!r}"
    if catalogue.obsolete:
        yield f"obsolete entries at the end: {len(catalogue.obsolete)}"


def check() -> int:
    sources = extract()
    found = [f"{language}: {problem}" for language in LANGUAGES for problem in problems(language, sources)]
    for line in found:
        sys.stdout.write(line + "\n")
    if found:
        sys.stdout.write(f"{len(found)} problems; `make translations` collects new texts.\n")
    else:
        sys.stdout.write(f"translations: {len(sources)} texts in {', '.join(LANGUAGES)}\n")
    return 1 if found else 0


def update() -> int:
    """Bring new texts into the catalogues and drop those nobody says any more. Nothing is guessed."""
    sources = extract()
    for language in LANGUAGES:
        path = path_of(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = read(language) if path.exists() else Catalog(locale=language, charset="utf-8")
        catalogue.fuzzy = False
        catalogue.update(sources, no_fuzzy_matching=True, update_header_comment=False)
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            # Without line numbers, so that moving code does not touch the catalogues.
            write_po(file, catalogue, width=110, sort_output=True, include_lineno=False, ignore_obsolete=True)
    return 0


def compile_all() -> int:
    """Write the .mo files that the application reads."""
    for language in LANGUAGES:
        if path_of(language).exists():
            partial = path_of(language).with_suffix(".partial")
            with partial.open("wb") as file:
                write_mo(file, read(language))
            partial.replace(path_of(language).with_suffix(".mo"))
    return 0


def _key(message: Message) -> str:
    return str(message.id[0] if isinstance(message.id, list | tuple) else message.id)


def _texts(message: Message) -> list[str]:
    text = message.string
    return list(text) if isinstance(text, list | tuple) else [text or ""]


def _place(message: Message) -> str:
    return ":".join(map(str, message.locations[0])) if message.locations else "?"


def _placeholders(text: str) -> set[str]:
    return {match.group() for match in PLACEHOLDER.finditer(text)}


def _wrong_placeholders(message: Message, translated: Message) -> str:
    plural = isinstance(message.id, list | tuple)
    allowed = _placeholders(" ".join(message.id) if plural else str(message.id))
    for number, text in enumerate(_texts(translated)):
        used = _placeholders(text)
        # "one invoice" may leave the number out; a plural may not.
        if text and (used - allowed or (used != allowed and not (plural and number == 0))):
            return text
    return ""


if __name__ == "__main__":
    commands = {"check": check, "update": update, "compile": compile_all}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(f"usage: python -m app.translations {' | '.join(commands)}")
    sys.exit(commands[sys.argv[1]]())
