"""The one door. Every detail that reaches an app passes here, and is in the ledger first."""
