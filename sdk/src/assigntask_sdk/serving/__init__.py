"""Runs an app, unchanged, as a service of its own. Needs the extra `assigntask-sdk[remote]`."""

from .hosts import ServingError, origin_of
from .service import Service, open_service
from .site import site
from .store import Kept, Store

__all__ = ["Kept", "Service", "ServingError", "Store", "open_service", "origin_of", "site"]
