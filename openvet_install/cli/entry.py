"""Where the console scripts begin: only built-in modules before this process stands on its own feet (threat T16).

No installer lets a script start its Python with `-I`. So with a `PYTHON…` variable set we start once more, isolated;
what such a variable has already run before us (`sitecustomize`, a package of our name) nobody can take back.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes as long to load as all that is needed here
import gc
import os
import sys

_HARMLESS = frozenset(
    {
        *("PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONUNBUFFERED", "PYTHONHASHSEED"),
        *("PYTHONDONTWRITEBYTECODE", "PYTHONNOUSERSITE", "PYTHONSAFEPATH"),
    }
)
"""Variables by which nothing of others is read or run; images and services often set them."""

_AGAIN = """
import sys
home, sys.argv[0] = sys.argv[1:3]
del sys.argv[1:3]
if home not in sys.path:
    sys.path.append(home)
from openvet_install.cli import entry
entry.{name}()
"""


def pip() -> None:
    """Run as `openvet-pip`."""
    _stand_alone("pip")
    from openvet_install.cli import wrap  # noqa: PLC0415 - see above

    wrap.pip()


def uv() -> None:
    """Run as `openvet-uv`."""
    _stand_alone("uv")
    from openvet_install.gate import again  # noqa: PLC0415 - see above

    again.resume(sys.argv[1:])
    from openvet_install.cli import wrap  # noqa: PLC0415 - see above

    wrap.uv()


def manage() -> None:
    """Run as `openvet-install`."""
    _stand_alone("manage")
    if sys.argv[1:3] == ["exec", "--"]:  # no options of ours to read: it may stand before every line of a build
        from openvet_install.cli import around  # noqa: PLC0415 - see above

        around.main()
    from openvet_install.cli import manage  # noqa: PLC0415 - see above

    manage.main()


def stand_in(tool: str) -> None:
    """Run as `pip`, `pip3`, `uv` or `uvx` below `openvet-install exec`; that started us with `-I`."""
    _die_quietly()
    _collect_rarely()
    if tool == "uvx":
        sys.argv[1:1] = ["tool", "run"]
    from openvet_install.cli import wrap  # noqa: PLC0415 - see above

    wrap.uv() if tool in ("uv", "uvx") else wrap.pip()


def _die_quietly() -> None:
    """Let Ctrl-C end us at once until `guarded` has begun: there is nothing to clean up, and no fault to trace."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def _collect_rarely() -> None:
    """Look for cycles seldom: pages, locks and audits have none, and stay to the end; looking took up to a tenth."""
    gc.set_threshold(10_000, 100, 100)


def _stand_alone(name: str) -> None:
    """Start again with `-I` where variables steer this Python; else only let go of the script's own folder.

    The variables stay: a tool that is handed over to gets what the user set.
    """
    _die_quietly()
    _collect_rarely()
    if sys.flags.isolated:
        return
    if any(variable.startswith("PYTHON") and variable not in _HARMLESS for variable in os.environ):
        home = __file__.rpartition("/openvet_install/")[0]
        code = _AGAIN.format(name=name)
        os.execve(  # noqa: S606 - our own Python, no shell
            sys.executable, [sys.executable, "-I", "-c", code, home, *sys.argv], os.environ
        )
    # `python script` and a script's own start put its folder first: commands of other packages lie there.
    if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(sys.argv[0])):  # noqa: PTH100, PTH120 - no imports
        del sys.path[0]
