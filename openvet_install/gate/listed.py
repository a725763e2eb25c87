"""Index pages that another run has got just now, for as long as the index says that they hold (threats T29, T32).

Nothing is decided by them that a page from the index would not decide: each run judges them anew. They stand in only
where uv has such a page in its own cache, and would not have asked within these minutes but for our wish to be asked.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from openvet_install.gate.once import Once
from openvet_install.gate.sealed import Sealed
from openvet_install.gate.stores import LISTED, PAGES
from openvet_install.gateway.freshness import MOST_SECONDS

if TYPE_CHECKING:
    from openvet_install.gate.state import Folders
    from openvet_install.installers.commands import Plan

MAX_PAGE = 16 << 20  # bytes
_ANEW = re.compile(r"--(?:no-cache|refresh|upgrade|reinstall)|-\w*[nUP]")
"""What makes uv ask for more than it would without: only a hint, for what is got ahead."""


class Pages:
    """The pages of one machine, each sealed with what it is and until when it holds."""

    def __init__(self, folders: Folders, *, ahead: bool) -> None:
        """Nothing is read or made yet. `ahead`: they are good enough before the tool has asked."""
        self.ahead = ahead
        self._notes = Sealed(folders, PAGES, MAX_PAGE)
        self._listings = Sealed(folders, LISTED, MAX_PAGE)
        self._cleaned: Once[None] = Once()

    def find(self, url: str) -> tuple[bytes, str] | None:
        """Return body and Content-Type of a page that still holds, None if there is none."""
        noted = self._notes.find(url.encode())
        if noted is None:
            return None
        head, _, body = noted.partition(b"\n")
        since, seconds, content_type = json.loads(head)
        # a clock that was set back would make it young again
        return (body, content_type) if since <= time.time() < since + min(seconds, MOST_SECONDS) else None

    def put(self, url: str, body: bytes, content_type: str, seconds: int) -> None:
        """Keep a page that holds for so long from now; where it cannot be written, the next run asks for it."""
        self._cleaned.get(None, lambda: self._notes.forget(MOST_SECONDS))
        head = json.dumps([time.time(), seconds, content_type]).encode()
        self._notes.put(url.encode(), head + b"\n" + body)

    def listing(self, digest: str) -> bytes | None:
        """Return what was made of a JSON page whose bytes have this sha256."""
        return self._listings.find(digest.encode())

    def keep_listing(self, digest: str, raw: bytes) -> None:
        """Keep that; where it cannot be written, the next run reads the page again."""
        self._listings.put(digest.encode(), raw)


def pages_for(plan: Plan, folders: Folders, *, there: bool) -> Pages:
    """Return the pages for one run of uv; `there`: it has a cache, and so may go without asking the index."""
    return Pages(folders, ahead=there and not any(map(_ANEW.match, plan.typed)))
