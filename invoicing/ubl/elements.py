"""Elements of UBL: namespaces, and text, amounts and numbers as they stand in XML."""

import re
from datetime import date
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from app.money import round_half_up

CBC: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
CAC: Final = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
_PREFIXES: Final[dict[str | None, str]] = {"cbc": CBC, "cac": CAC}
# What XML 1.0 cannot hold, however it is written.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Element = Any  # lxml ships no types


def root(name: str) -> Element:
    """The document's element: Invoice or CreditNote."""
    namespace = f"urn:oasis:names:specification:ubl:schema:xsd:{name}-2"
    prefixes: dict[str | None, str] = {None: namespace}
    prefixes |= _PREFIXES
    return etree.Element(f"{{{namespace}}}{name}", nsmap=prefixes)


def add(parent: Element, name: str, text: object = None, **attributes: str) -> Element:
    """A child such as `cbc:ID`. Peppol allows no empty elements: give a text or add children."""
    prefix, _, local = name.partition(":")
    child = etree.SubElement(parent, f"{{{_PREFIXES[prefix]}}}{local}", attributes)
    if text is not None:
        child.text = clean(str(text))
    return child


def add_if(parent: Element, name: str, text: object, **attributes: str) -> None:
    """The same, where there is something to say."""
    if text is not None and clean(str(text)):
        add(parent, name, text, **attributes)


def add_amount(parent: Element, name: str, cents: int, currency: str) -> None:
    add(parent, name, amount(cents), currencyID=currency)


def clean(text: str) -> str:
    """The text without what XML cannot hold, and without space around it."""
    return _FORBIDDEN.sub(" ", text).strip()


def amount(cents: int) -> str:
    return format(round_half_up(Decimal(cents).scaleb(-2), 2), "f")


def number(value: Decimal) -> str:
    """A number without exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def day(value: date) -> str:
    return value.isoformat()


def to_bytes(document: Element) -> bytes:
    return bytes(etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def parse(content: bytes) -> Element:
    """Read XML that may come from anywhere: no entities, no DTD, no network, no huge trees.

    Raises ValueError for anything else.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        document = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"this is no XML: {error}") from error
    if document.getroottree().docinfo.doctype:
        raise ValueError("a document type is not accepted")
    return document
