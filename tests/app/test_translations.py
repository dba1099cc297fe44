"""The catalogues: complete in both languages, and in Dutch as a native of the trade would say it."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from babel.messages.catalog import Catalog, Message
from jinja2 import Environment, nodes

from app.translations import LANGUAGES, ROOT, SOURCES, extract, problems, read

PLACEHOLDER: Final = re.compile(r"%\(\w+\)s|%s")
FORMAL: Final = re.compile(r"\b(u|uw|uzelf|uwe)\b", re.IGNORECASE)
# "Uw kenmerk" is how a letter in Dutch names the reader's own reference, whatever else it calls the reader.
FIXED_WORDING: Final = {"your reference %(reference)s"}
AMERICAN: Final = re.compile(
    r"\b(\w*(authoriz|recogniz|organiz|canceled|canceling)\w*|color\w*|behavior|email\w*|center)\b",
    re.IGNORECASE,
)
# Formats, and languages by their own names.
UNTRANSLATED: Final = {"PDF", "UBL", "CSV", "csv", "Nederlands", "English"}
CLASS_BLOCKS: Final = {"width"}  # blocks that are filled with the name of a class

# English to Dutch; "…" stands for what is filled in. Whoever words one of these anew, words it everywhere.
GLOSSARY: Final = {
    "Top up now": "Nu opwaarderen",
    "Pay …": "… betalen",
    "Accept and continue": "Akkoord en doorgaan",
    "Add payment method": "Betaalmethode toevoegen",
    "Turn on automatic top-up": "Automatisch opwaarderen aanzetten",
    "Resume": "Hervatten",
    "Withdraw mandate": "Machtiging intrekken",
    "Send again": "Opnieuw versturen",
    "All": "Alle",
    "Open": "Openstaand",
    "In progress": "In behandeling",
    "Paid": "Betaald",
    "Lasts about … day": "Nog goed voor ongeveer … dag",
    "Provisionally credited": "Voorlopig bijgeschreven",
    "No top-up: monthly maximum reached": "Niet opgewaardeerd: maandmaximum bereikt",
    "Credits used": "Verrekende credits",
    "Credits left": "Resterende credits",
    "Enter an amount from … to ….": "Vul een bedrag in van … tot en met ….",
    "The monthly maximum must be at least the top-up amount.": "Het maandmaximum moet minstens zo hoog zijn"
    " als het opwaardeerbedrag.",
    "This code is wrong or has expired. Request a new one.": "Deze code klopt niet of is verlopen."
    " Vraag een nieuwe aan.",
    "Your bank refused the debit: insufficient funds.": "Je bank heeft de incasso geweigerd:"
    " onvoldoende saldo.",
    "We are waiting for your bank. Please don't pay again.": "We wachten nog op je bank."
    " Betaal niet opnieuw.",
    "You can view this, not change it.": "Je kunt dit bekijken, maar niet wijzigen.",
    "Invoice … is ready": "Je factuur … staat klaar",
    "Payment of … received": "We hebben je betaling van … ontvangen",
    "Payment of … failed": "Je betaling van … is niet gelukt",
    "Low balance: … left": "Je tegoed is bijna op: nog …",
    "Topped up automatically: …": "Je tegoed is automatisch opgewaardeerd met …",
    "Automatic top-up failed": "Automatisch opwaarderen is niet gelukt",
    "Automatic top-up paused": "Automatisch opwaarderen is gepauzeerd",
    "We will debit … around …": "Rond … schrijven we … af",
    "Reminder: invoice … is unpaid": "Herinnering: factuur … is nog niet betaald",
    "Second reminder: invoice …": "Tweede herinnering: factuur …",
    "Final demand: invoice …": "Laatste aanmaning: factuur …",
    "… invites you to …": "… nodigt je uit voor …",
    "… is your sign-in code": "… is je inlogcode",
}


@pytest.fixture(scope="module")
def sources() -> Catalog:
    return extract()


@pytest.fixture(scope="module")
def dutch() -> Catalog:
    return read("nl")


def texts(message: Message) -> list[tuple[str, str]]:
    """Each source text with its translation; singular and plural apart."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return list(zip(message.id, message.string or (), strict=True))


def all_texts(catalogue: Catalog) -> Iterator[tuple[str, str]]:
    for message in catalogue:
        if message.id:
            yield from texts(message)


def blanked(text: str) -> str:
    return PLACEHOLDER.sub("…", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_there_with_its_placeholders_and_none_is_left_over(
    language: str, sources: Catalog
) -> None:
    assert list(problems(language, sources)) == []


def test_nothing_shouts(sources: Catalog, dutch: Catalog) -> None:
    said = [text for pair in all_texts(dutch) for text in pair]
    assert [text for text in said if "!" in text] == []


def test_the_customer_is_je_not_u(dutch: Catalog) -> None:
    formal = [
        text for source, text in all_texts(dutch) if FORMAL.search(text) and source not in FIXED_WORDING
    ]
    assert formal == []


def test_english_is_british(sources: Catalog) -> None:
    said = [text for message in sources if message.id for text, _ in texts(message)]
    own = [PLACEHOLDER.sub("", text).replace("Authorization: Bearer", "") for text in said]
    assert [text for text in own if AMERICAN.search(text)] == []


@pytest.mark.parametrize(("english", "expected"), GLOSSARY.items())
def test_the_words_of_the_trade_are_exactly_these(english: str, expected: str, dutch: Catalog) -> None:
    found = {text for source, text in all_texts(dutch) if blanked(source) == english}
    assert {blanked(text) for text in found} <= {expected}


def test_one_text_has_one_spelling(dutch: Catalog) -> None:
    """Texts that differ only in capitals and their last mark are the same text to a reader."""
    by_words: dict[str, set[str]] = defaultdict(set)
    for source, text in all_texts(dutch):
        by_words[plain(source)].add(plain(text))
    assert {words: said for words, said in by_words.items() if len(said) > 1} == {}


def plain(text: str) -> str:
    return re.sub(r"[\s.:?]+$", "", text).casefold()


def test_translations_end_as_their_sources_do(dutch: Catalog) -> None:
    """Whitespace belongs to the templates; a question stays one, a list's colon too."""
    for source, text in all_texts(dutch):
        assert (source, text) == (source.strip(), text.strip())
        assert [text.endswith(mark) for mark in ":?"] == [source.endswith(mark) for mark in ":?"], text


def templates() -> list[Path]:
    found = [
        path for source in SOURCES for path in (ROOT / source).glob("**/templates/**/*") if path.is_file()
    ]
    # The sandbox plays another party, with a table of texts of its own.
    return [path for path in found if "sandbox" not in path.parts and path.suffix in {".html", ".txt"}]


def loose_words(path: Path) -> set[str]:
    """Words that stand in a template as they are: between its tags, in attributes, or as arguments."""
    tree = Environment(autoescape=True, extensions=["jinja2.ext.i18n"]).parse(
        path.read_text(encoding="utf-8")
    )
    classes = {
        id(data)
        for block in tree.find_all(nodes.Block)
        if block.name in CLASS_BLOCKS
        for data in block.find_all(nodes.TemplateData)
    }
    shown_data = (data for data in tree.find_all(nodes.TemplateData) if id(data) not in classes)
    text = "\0".join(data.data for data in shown_data)
    text = re.sub(r"<(style|script|code)\b.*?</\1>", " ", text, flags=re.DOTALL)
    shown = re.findall(r'\b(?:alt|aria-label|placeholder|title)="([^"]*)"', text)
    text = re.sub(r"<[^>]*>|&\w+;|\w+_\0|\0-\w+|\0/[\w/-]*", " ", text, flags=re.DOTALL)
    translated = {
        id(argument)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "gettext", "ngettext"}
        for argument in call.args
    }
    consts = (const for const in tree.find_all(nodes.Const) if id(const) not in translated)
    literals = [const.value for const in consts if isinstance(const.value, str)]
    sentences = [literal for literal in literals if re.match(r"[A-Z][a-z]+(?:\s|$)", literal)]
    return set(re.findall(r"[^\W\d_]{2,}", " ".join([text, *shown, *sentences])))


@pytest.mark.parametrize("path", templates(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_of_a_template_escapes_the_catalogues(path: Path) -> None:
    assert loose_words(path) - UNTRANSLATED == set()
