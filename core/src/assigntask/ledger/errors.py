"""What the ledger refuses, each with a stable code."""


class LedgerError(Exception):
    """A refusal by the ledger.

    `code` is snake_case and never changes meaning; `message` (also `str(error)`) names the fact and what
    to do next. Neither ever holds a secret or a personal value.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
