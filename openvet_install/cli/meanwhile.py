"""What a gated command reads and imports while its plan waits for other processes."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openvet_install.cli.options import WrapperOptions
    from openvet_install.gate.setting import Setting
    from openvet_install.installers.passing import Command


_ALWAYS = "openvet_install.gate.session"
_NEXT = "openvet_install.gateway.server"
_LOCKS = (("sync",), ("run",))
_NEXT_OF_LOCKS = "openvet_install.openvet.log"
"""A lock is judged before anything else happens; often nothing else does."""


class Meanwhile:
    """Reads the policies, then imports what a run needs, in a thread that starts at once."""

    def __init__(self, options: WrapperOptions, command: Command) -> None:
        """Start; nothing is raised here."""
        self._modules = (_ALWAYS, _NEXT_OF_LOCKS if command.words in _LOCKS else _NEXT)
        self._setting: Future[Setting] = Future()
        self._thread = threading.Thread(target=self._work, args=(options,), daemon=True)
        self._thread.start()

    def setting(self) -> Setting:
        """Wait for the policies. Raises `ConfigError` as `read_setting` does."""
        return self._setting.result()

    def finish(self) -> None:
        """Wait for the imports too.

        Not to be called on the way out: an interrupted import can leave a lock behind for which the thread waits for
        ever.
        """
        self._thread.join()

    def _work(self, options: WrapperOptions) -> None:
        try:
            from openvet_install.cli.policy import read_setting  # noqa: PLC0415 - that is what this thread is for

            self._setting.set_result(read_setting(options))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
            self._setting.set_exception(error)
        with suppress(ImportError):  # it shows again, and is told, where it is needed
            for name in self._modules:
                importlib.import_module(name)
