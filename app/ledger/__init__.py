"""The ledger: balances, transfers, grants. The only code that changes a balance."""
