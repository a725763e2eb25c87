"""`openvet-install`: the commands around the wrappers. Results go to stdout, all else to stderr."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from openvet_install import __version__
from openvet_install.cli.ending import guarded, leave
from openvet_install.cli.options import split
from openvet_install.errors import UsageError
from openvet_install.report.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openvet_install.cli.options import WrapperOptions

    RunOne = Callable[[argparse.Namespace, WrapperOptions], int]
    Command = Callable[[str, str, RunOne], argparse.ArgumentParser]

OURS = ("project", "mode", "report", "bundle")


class _Parser(argparse.ArgumentParser):
    """Usage errors end with 64, in our words."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        raise UsageError(message, hint=f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        from openvet_install.config.toml import nearest  # noqa: PLC0415 - only on the way out

        known = list(map(str, action.choices))
        near = nearest(str(value), known)
        listed = " | ".join(known) if action.dest != "command" else f"{self.prog} --help"
        what = f"a command of {self.prog}" if action.dest == "command" else f"a {action.metavar} of `{self.prog}`"
        raise UsageError(f"`{plain(str(value))}` is not {what}", hint=f"did you mean `{near[0]}`?" if near else listed)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what no command takes is told with the nearest option of the command that was meant."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            raise _left_over(found, rest)
        return found


def _left_over(found: argparse.Namespace, rest: list[str]) -> UsageError:
    from openvet_install.config.toml import nearest  # noqa: PLC0415 - only on the way out

    told = plain(shlex.join(rest))
    if found.command == "exec" and not rest[0].startswith("-"):
        return UsageError("the command of `exec` stands behind `--`", hint=f"openvet-install exec -- {told}")
    known = list(found.parser._option_string_actions)  # noqa: SLF001 - argparse lists them nowhere else
    near = nearest(rest[0].partition("=")[0], known) if rest[0].startswith("-") else []
    hint = f"did you mean `{near[0]}`?" if near else f"openvet-install {found.command} --help"
    return UsageError(f"`{found.command}` does not take `{told}`", hint=hint)


def main() -> NoReturn:
    """Run as `openvet-install`."""
    leave(guarded(lambda: run(sys.argv[1:])))


def run(argv: Sequence[str]) -> int:
    """Run one command; return its exit code. Raises `InstallError`."""
    before, following = _split_command(argv)
    arguments = parser().parse_args(before)
    if following is not None:
        arguments.argv = following
    run_one: Callable[[argparse.Namespace, WrapperOptions], int] = arguments.run
    return run_one(arguments, _options(arguments))


def _split_command(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str] | None]:
    """Take what follows `exec … --` out of our own arguments; None for other commands."""
    if argv[:1] != ["exec"] or "--" not in argv:
        return argv, None
    where = list(argv).index("--")
    return argv[:where], argv[where + 1 :]


# Each command imports its own module late: it alone pays for it.


def _demo(arguments: argparse.Namespace, _options: WrapperOptions) -> int:
    from openvet_install.cli import demo  # noqa: PLC0415

    return demo.run(keep=arguments.keep)


def _init(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import pins  # noqa: PLC0415

    return pins.init(arguments.log, arguments.operator, options)


def _update(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import pins  # noqa: PLC0415

    return pins.update(arguments.name, options, arguments.scope)


def _check(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import check  # noqa: PLC0415

    if not arguments.environment:
        return check.run(arguments.files, options, python=arguments.python, all_files=arguments.all_files)
    if arguments.files or arguments.all_files:
        raise UsageError("`--environment` takes no FILE and no `--all-files`")
    return check.environment(options, python=arguments.python)


def _explain(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import explain  # noqa: PLC0415

    return explain.run(arguments.what, options, python=arguments.python)


def _bundle(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import bundle  # noqa: PLC0415

    return bundle.run(arguments.names, arguments.output, options)


def _config(_arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import config  # noqa: PLC0415

    return config.run(options)


def _baseline(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import adopt  # noqa: PLC0415

    return adopt.baseline(
        options, owner=arguments.owner, until=arguments.until, grow=arguments.grow, python=arguments.python
    )


def _exempt(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import exempt  # noqa: PLC0415

    return exempt.exempt(
        arguments.what, options, until=arguments.until, reason=arguments.reason, owner=arguments.owner,
        sdist=arguments.sdist, audit=arguments.audit,
    )  # fmt: skip


def _suggest(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import adopt  # noqa: PLC0415

    return adopt.suggest(options, logs=arguments.log, python=arguments.python)


def _exec(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import around  # noqa: PLC0415

    return around.run(arguments.argv, options)


def _docker(arguments: argparse.Namespace, _options: WrapperOptions) -> int:
    from pathlib import Path  # noqa: PLC0415

    from openvet_install.cli import docker  # noqa: PLC0415

    return docker.run(Path(arguments.folder), arguments.python, Path(arguments.wheels) if arguments.wheels else None)


def _shell_init(arguments: argparse.Namespace, _options: WrapperOptions) -> int:
    from openvet_install.cli import shell_init  # noqa: PLC0415

    return shell_init.run(arguments.shell)


def _completion(arguments: argparse.Namespace, _options: WrapperOptions) -> int:
    from openvet_install.cli import completion  # noqa: PLC0415

    return completion.run(arguments.shell)


def _doctor(arguments: argparse.Namespace, options: WrapperOptions) -> int:
    from openvet_install.cli import doctor  # noqa: PLC0415

    return doctor.clean_store() if arguments.clean_store else doctor.run(options, python=arguments.python)


def _add_scopes(update: argparse.ArgumentParser) -> None:
    whose = update.add_mutually_exclusive_group()
    for scope in ("user", "machine"):
        told = f"the {scope}'s pins, not the project's"
        whose.add_argument(f"--{scope}", dest="scope", action="store_const", const=scope, default="project", help=told)


def parser() -> argparse.ArgumentParser:
    """Return the parser; nothing is abbreviated."""
    root = _Parser(prog="openvet-install", description=__doc__, allow_abbrev=False)
    root.add_argument("--version", action="version", version=f"openvet-install {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, about: str, run_one: RunOne) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        one.set_defaults(run=run_one, parser=one)
        one.add_argument("--project", metavar="DIR", help="the folder of the project's policy")
        one.add_argument("--mode", metavar="MODE", help="block, warn or record")
        one.add_argument(
            "--report",
            metavar="FORMAT[:PATH]",
            action="append",
            default=[],
            help="json, jsonl, sarif, github or markdown; no PATH or `-` is stdout; repeatable",
        )
        told = "ask no log: judge by openvet.bundle beside the policy, else by what was verified before"
        one.add_argument("--offline", action="store_true", help=told)
        one.add_argument("--bundle", metavar="FILE", help="judge by this bundle; ask no log")
        return one

    demo = command("demo", "a real gated install with an embedded log: one package allowed, others blocked", _demo)
    demo.add_argument("--keep", action="store_true", help="keep the demo's folder and print where it is")
    init = command("init", "write a policy for a log, after verifying the log", _init)
    init.add_argument("--log", metavar="URL", required=True, action="append", help="a log's URL; repeatable")
    init.add_argument(
        "--operator", metavar="SHA256:…", action="append", default=[],
        help="the first key of the log's generation 0, 1, …, if you know it from elsewhere; repeatable, in this order",
    )  # fmt: skip
    update = command("update", "verify what is new in the logs and move the pins", _update)
    update.add_argument("name", metavar="LOG", nargs="?", help="only this log")
    _add_scopes(update)
    check = command("check", "judge uv.lock, pylock.toml and hashed requirements for this target", _check)
    check.add_argument("files", metavar="FILE", nargs="*", help="default: the policy's lockfiles, else those beside it")
    check.add_argument("--python", metavar="PATH", help="the target's interpreter or environment")
    check.add_argument("--environment", action="store_true", help="compare what is installed with the approved files")
    check.add_argument("--all-files", action="store_true", help="every file of every platform, as OpenVet does")
    explain = command("explain", "show all evidence about a release for this target", _explain)
    explain.add_argument("what", metavar="WHAT", help="NAME, NAME==VERSION, a coordinate or a subject")
    explain.add_argument("--python", metavar="PATH", help="the target's interpreter or environment")
    command("config", "show every key of each policy and the place that said it", _config)
    baseline = command(
        "baseline", "list what is silent today as known, bound to hashes, each entry with an end", _baseline
    )
    baseline.add_argument("--owner", metavar="WHO", help="default: OPENVET_INSTALL_OWNER, else git's user.email")
    baseline.add_argument("--until", metavar="WHEN", help="the latest end: a date or 90d; at most a year ahead")
    baseline.add_argument("--grow", action="store_true", help="take releases in that are new; else it only shrinks")
    baseline.add_argument("--python", metavar="PATH", help="the target's interpreter or environment")
    exempt = command(
        "exempt", "forgive the silence about one release until a day, bound to the hashes of its files", _exempt
    )
    exempt.add_argument("what", metavar="NAME==VERSION")
    exempt.add_argument("--until", metavar="WHEN", required=True, help="a date, or 14d; at most a year ahead")
    exempt.add_argument("--reason", metavar="TEXT", required=True, help="why, for whoever reads the policy")
    exempt.add_argument("--owner", metavar="WHO", help="default: OPENVET_INSTALL_OWNER, else git's user.email")
    exempt.add_argument("--sdist", action="store_true", help="cover the source distribution too: its code will run")
    exempt.add_argument("--audit", metavar="HEX", help="lift this one no, in the user's policy; at most 14 days ahead")
    doctor = command("doctor", "say what a run would find here: tools, target, isolation, logs, store", _doctor)
    doctor.add_argument("--python", metavar="PATH", help="the target's interpreter or environment")
    doctor.add_argument("--clean-store", action="store_true", help="only empty the stores of what no process uses")
    _surroundings(command)
    suggest = command("suggest", "say what to audit next: runtime first, then a delta, then the smallest", _suggest)
    suggest.add_argument(
        "--log", metavar="URL", action="append", default=[], help="what this log would clear, unpinned"
    )
    suggest.add_argument("--python", metavar="PATH", help="the target's interpreter or environment")
    return root


def _surroundings(command: Command) -> None:
    """Add the commands for the places that installs happen in."""
    bundle = command("bundle", "write one file with all that the logs say of this project's packages", _bundle)
    bundle.add_argument("names", metavar="NAME", nargs="*", help="more packages, beside those of locks and baseline")
    bundle.add_argument(
        "-o", "--output", metavar="FILE", help="default: openvet.bundle beside the policy, where it is found"
    )
    execute = command("exec", "run any command, and what it starts, behind the gate: exec -- COMMAND", _exec)
    execute.set_defaults(argv=[])
    completion = command("completion", "print a completion script for a shell, to be sourced", _completion)
    completion.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")
    image = command("docker", "write the folder for an image that others copy this from, and a recipe", _docker)
    image.add_argument("folder", metavar="FOLDER", nargs="?", default="openvet", help="default: openvet")
    image.add_argument("--python", metavar="3.X", action="append", default=[], help="of the images; repeatable")
    image.add_argument("--wheels", metavar="DIR", help="take the wheels from here instead of an index")
    shell = command("shell-init", "print functions that send pip and uv through the gate, to be sourced", _shell_init)
    shell.add_argument(
        "shell", metavar="SHELL", choices=("bash", "zsh", "fish", "pwsh"), help="bash, zsh, fish or pwsh"
    )


def _options(arguments: argparse.Namespace) -> WrapperOptions:
    """Read our options and their variables exactly as the wrappers do."""
    argv = [
        f"--openvet-{name}={value}" for name in ("project", "mode", "bundle") if (value := getattr(arguments, name))
    ]
    argv += [f"--openvet-report={value}" for value in arguments.report]
    argv += ["--openvet-offline"] if arguments.offline else []
    return split(argv, os.environ, "--")[0]
