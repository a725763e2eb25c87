"""What an index lists of one package, asked for outside of a run (`explain`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openvet_install.errors import UndecidedError
from openvet_install.gate.session import outside_of
from openvet_install.gateway.addresses import parse_target
from openvet_install.gateway.pages import parse_page
from openvet_install.gateway.upstream import PAGE_ACCEPT, Upstream

if TYPE_CHECKING:
    from openvet_install.files import File
    from openvet_install.installers.commands import Plan

_NOT_FOUND = 404
_OK = 200
_MAX_REDIRECTS = 5


def listed(plan: Plan, name: str) -> list[File]:
    """Return the files of a package on the plan's indexes, in their order; empty if none knows it.

    Raises `UndecidedError` when an index is out of reach, `InvalidError` when its answer is no page.
    """
    upstream = Upstream(outside_of(plan.upstream))
    upstream.bind(private=lambda _host: True, own_port=0)
    try:
        return [file for index in plan.indexes for file in _page(upstream, index.url, name)]
    finally:
        upstream.close()


def _page(upstream: Upstream, index: str, name: str) -> tuple[File, ...]:
    url = f"{index.rstrip('/')}/{name}/"
    for _ in range(_MAX_REDIRECTS):
        target = parse_target(url)
        with upstream.get(target, accept=PAGE_ACCEPT, packed=True) as reply:
            if reply.status == _NOT_FOUND:
                return ()
            if reply.location and 300 <= reply.status < 400:
                url = target.origin + reply.location if reply.location.startswith("/") else reply.location
                continue
            if reply.status != _OK:
                raise UndecidedError(f"{target.origin} answered with the status {reply.status}")
            return parse_page(reply.body(), reply.content_type, url, index=index).files
    raise UndecidedError(f"{index} redirects too often")
