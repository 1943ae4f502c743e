"""A page that tracks in the browser, and what serves it on this machine."""

from .server import STATIC, AppServer
