"""The one error that a reader of exports raises."""

from assigntask.errors import HostError


class ImportRefused(HostError):
    """The file was not read at all, so nothing of it may be stored.

    `code` is one of `import_too_large`, `import_too_deep`, `import_wrong_type`, `not_utf8`, `not_json` and
    `not_a_board`. The message names the fact and says what to do next.
    """
