"""The real host for apps' tests: `assigntask_sdk.testing` finds it through the entry point `assigntask_sdk.host`."""

from .opening import open_host

__all__ = ["open_host"]
