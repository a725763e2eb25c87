"""The wrappers' own options, `--openvet-…`, and their variables `OPENVET_INSTALL_…`, split off before the tool's.

Both `--openvet-x=V` and `--openvet-x V`; nothing is abbreviated; nothing is looked for behind `--`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openvet_install.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PREFIX = "--openvet-"
VARIABLE = "OPENVET_INSTALL_"
MODES = ("block", "warn", "record")
FORMATS = ("json", "jsonl", "sarif", "github", "markdown")
STDOUT = "-"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
_VALUED = ("project", "mode", "report", "bundle")
_PLAIN = ("offline", "help")
_OURS = ("through", "told", "timings")  # between our own processes
_TYPED = frozenset(VARIABLE + name.upper() for name in (*_VALUED, "offline", "policy_ref", "owner"))
NAMED = _TYPED.union(VARIABLE + name.upper() for name in _OURS)


class ReportTo(NamedTuple):
    """One report: its format and where it goes; `-` is stdout (`github` in wrappers: stderr)."""

    format: str
    path: str


class WrapperOptions(NamedTuple):
    """What the wrapper was told. None: not said. `variables` names the environment variables that counted.

    With a `bundle` it is `offline`. `policy_ref` is the revision that the project's policy is read from.
    """

    project: str | None = None
    mode: str | None = None
    reports: tuple[ReportTo, ...] = ()
    offline: bool = False
    help: bool = False
    variables: tuple[str, ...] = ()
    bundle: str | None = None
    policy_ref: str | None = None


def refuse_revision(command: str, options: WrapperOptions) -> None:
    """Raise `UsageError` for a command that writes a project's policy while that is read from a revision."""
    if options.policy_ref is not None:
        what = f"`{command}` writes the files of the project, but {VARIABLE}POLICY_REF names another revision"
        raise UsageError(what, hint=f"env -u {VARIABLE}POLICY_REF openvet-install {command} …")


def split(
    argv: Sequence[str], environ: Mapping[str, str], typed: str = PREFIX
) -> tuple[WrapperOptions, tuple[str, ...]]:
    """Return our options and the tool's argv. An option beats its variable; an empty variable counts as unset.

    People have `typed` what faults name them by.

    Raises `UsageError` (64) for an unknown `--openvet-…` or `OPENVET_INSTALL_…` (with the nearest name), a missing or
    impossible value.
    """
    found: dict[str, list[str]] = {}
    rest: list[str] = []
    items = list(argv)
    while items:
        item = items.pop(0)
        if item == "--":
            rest += [item, *items]
            break
        if not item.startswith(PREFIX):
            rest.append(item)
            continue
        spelled, equals, value = item.partition("=")
        name = spelled.removeprefix(PREFIX)
        if name in _PLAIN:
            if equals:
                raise UsageError(f"`{spelled}` takes no value")
            found[name] = []
        elif name in _VALUED:
            if not equals:
                if not items:
                    raise UsageError(f"`{spelled}` needs a value")
                value = items.pop(0)
            found.setdefault(name, []).append(value)
        else:
            raise _unknown(spelled)
    return _read(found, environ, typed), tuple(rest)


def _check_variables(environ: Mapping[str, str]) -> None:
    """Raise `UsageError` for a variable in our name that nothing reads: a mistyped mode must not count as none."""
    unknown = sorted(name for name, value in environ.items() if name.startswith(VARIABLE) and value)
    unknown = [name for name in unknown if name not in NAMED]
    if unknown:
        from difflib import get_close_matches  # noqa: PLC0415 - only on the way out

        near = get_close_matches(unknown[0], _TYPED, n=1, cutoff=0.75)
        hint = f"did you mean `{near[0]}`?" if near else " ".join(sorted(_TYPED))
        raise UsageError(f"unknown variable `{unknown[0]}`", hint=hint)


def _read(found: Mapping[str, list[str]], environ: Mapping[str, str], typed: str) -> WrapperOptions:
    _check_variables(environ)
    used: list[str] = []

    def said(name: str, parse: Callable[[str], list[str]]) -> list[tuple[str, str]]:
        """Give (value, who said it) from the options, else from the variable."""
        if name in found:
            return [(value, typed + name) for value in found[name]]
        variable = VARIABLE + name.upper()
        value = environ.get(variable, "")
        if not value:
            return []
        used.append(variable)
        return [(part, variable) for part in parse(value)]

    project = said("project", lambda value: [value])
    mode = said("mode", lambda value: [value])
    reports = said("report", str.split)
    bundle = said("bundle", lambda value: [value])
    policy_ref = said("policy_ref", lambda value: [value])
    offline = "offline" in found
    for value, variable in [] if offline else said("offline", lambda value: [value]):
        offline = _truth(value, variable)
    for value, who in mode:
        if value not in MODES:
            raise UsageError(f"`{who}`: no such mode `{value}`", hint=" | ".join(MODES))
    return WrapperOptions(
        project=project[-1][0] if project else None,
        mode=mode[-1][0] if mode else None,
        reports=tuple(_report(value, who) for value, who in reports),
        offline=offline or bool(bundle),
        help="help" in found,
        variables=tuple(used),
        bundle=bundle[-1][0] if bundle else None,
        policy_ref=policy_ref[-1][0] if policy_ref else None,
    )


def _report(value: str, who: str) -> ReportTo:
    name, colon, path = value.partition(":")
    if name not in FORMATS:
        raise UsageError(f"`{who}`: no such format `{name}`", hint=" | ".join(FORMATS))
    if colon and not path:
        raise UsageError(f"`{who}`: `{value}` names no path", hint=f"{name}:PATH, or {name} for stdout")
    return ReportTo(name, path or STDOUT)


def _truth(value: str, who: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise UsageError(f"`{who}`: `{value}` is neither true nor false", hint=f"{who}=1")


def _unknown(spelled: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way out

    known = [PREFIX + name for name in (*_VALUED, *_PLAIN)]
    near = get_close_matches(spelled, known, n=1, cutoff=0.5)
    return UsageError(f"unknown option `{spelled}`", hint=f"did you mean `{near[0]}`?" if near else " ".join(known))
