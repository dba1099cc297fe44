"""Bank statements for tests: CAMT.053 as banks write it, in any of its versions."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from xml.sax.saxutils import escape

OURS = "NL00BANK0000000000"
ANNA = "NL91ABNA0417164300"
BRAM = "NL20INGB0001234567"
MOLLIE = "NL53ABNA0454310893"


@dataclass(frozen=True, kw_only=True)
class Tx:
    """One transaction; amounts as a bank writes them."""

    amount: str
    text: str = ""
    structured: str = ""
    end_to_end: str = "NOTPROVIDED"
    iban: str = ANNA
    name: str = "Acme B.V."
    returned: str = ""

    def xml(self, sign: str, version: int) -> str:
        party = "Dbtr" if sign == "CRDT" else "Cdtr"
        name = f"<Nm>{escape(self.name)}</Nm>"
        name = f"<Pty>{name}</Pty>" if version >= 8 else name
        amount = f'<Amt Ccy="EUR">{self.amount}</Amt>'
        amount = amount if version >= 4 else f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
        returned = f"<RtrInf><Rsn><Cd>{self.returned}</Cd></Rsn></RtrInf>" if self.returned else ""
        reference = f"<Strd><CdtrRefInf><Ref>{self.structured}</Ref></CdtrRefInf></Strd>"
        text = "".join(
            f"<Ustrd>{escape(self.text[start : start + 140])}</Ustrd>"
            for start in range(0, len(self.text), 140)
        )
        return (
            f"<TxDtls><Refs><EndToEndId>{escape(self.end_to_end)}</EndToEndId></Refs>{amount}"
            f"<RltdPties><{party}>{name}</{party}>"
            f"<{party}Acct><Id><IBAN>{self.iban}</IBAN></Id></{party}Acct></RltdPties>"
            f"<RmtInf>{text}{reference if self.structured else ''}</RmtInf>{returned}</TxDtls>"
        )


@dataclass(frozen=True, kw_only=True)
class Ntry:
    """One entry; its amount is that of its transactions unless it is given."""

    txs: tuple[Tx, ...]
    reference: str = ""
    sign: str = "CRDT"
    status: str = "BOOK"
    day: date = date(2026, 11, 3)
    reversal: bool = False
    amount: str = ""
    number: str = ""

    def xml(self, version: int) -> str:
        total = self.amount or format(sum((Decimal(tx.amount) for tx in self.txs), Decimal(0)), ".2f")
        status = f"<Sts><Cd>{self.status}</Cd></Sts>" if version >= 8 else f"<Sts>{self.status}</Sts>"
        reversal = "<RvslInd>true</RvslInd>" if self.reversal else ""
        number = f"<NtryRef>{self.number}</NtryRef>" if self.number else ""
        reference = f"<AcctSvcrRef>{self.reference}</AcctSvcrRef>" if self.reference else ""
        return (
            f'<Ntry>{number}<Amt Ccy="EUR">{total}</Amt><CdtDbtInd>{self.sign}</CdtDbtInd>{reversal}{status}'
            f"<BookgDt><Dt>{self.day.isoformat()}</Dt></BookgDt>{reference}"
            f"<NtryDtls>{''.join(tx.xml(self.sign, version) for tx in self.txs)}</NtryDtls></Ntry>"
        )


@dataclass(frozen=True, kw_only=True)
class Stmt:
    entries: tuple[Ntry, ...] = ()
    iban: str = OURS
    number: str = "1"
    extra: dict[str, str] = field(default_factory=dict)


def camt(*statements: Stmt, version: int = 2, prefix: str = "") -> bytes:
    """A file of one version; `prefix` writes every tag with a namespace prefix, as some banks do."""
    body = "".join(
        f"<Stmt><Id>{one.number}</Id><Acct><Id><IBAN>{one.iban}</IBAN></Id></Acct>"
        f"{''.join(entry.xml(version) for entry in one.entries)}</Stmt>"
        for one in statements
    )
    text = f"<Document><BkToCstmrStmt><GrpHdr><MsgId>m</MsgId></GrpHdr>{body}</BkToCstmrStmt></Document>"
    namespace = f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version:02d}"
    if prefix:
        text = text.replace("</", "\x00").replace("<", f"<{prefix}:").replace("\x00", f"</{prefix}:")
        text = text.replace(f"<{prefix}:Document>", f'<{prefix}:Document xmlns:{prefix}="{namespace}">', 1)
    else:
        text = text.replace("<Document>", f'<Document xmlns="{namespace}">', 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()


def paid(
    amount: str, text: str = "", *, reference: str = "", day: date = date(2026, 11, 3), **facts: str
) -> Ntry:
    """Money that came in as one payment."""
    return Ntry(txs=(Tx(amount=amount, text=text, **facts),), reference=reference, day=day)


def statement(*entries: Ntry, version: int = 2) -> bytes:
    return camt(Stmt(entries=entries), version=version)
