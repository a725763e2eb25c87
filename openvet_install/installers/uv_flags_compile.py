"""The options of `uv pip compile`, as data. Source: uv 0.13.9, hidden ones included; a test compares."""

from __future__ import annotations

from openvet_install.installers.tokens import CARRY, JUDGE, NEVER, Flag
from openvet_install.installers.uv_flags import PIP_INSTALL

_NOT_OF_COMPILE = frozenset(
    {
        *("--break-system-packages", "--no-break-system-packages", "--check", "--dry-run", "--output-format"),
        *("--compile-bytecode", "--no-compile-bytecode", "--disable-pip-version-check", "--user"),
        *("--editable", "--no-editable", "--no-editable-package", "--exact", "--inexact", "--strict", "--no-strict"),
        *("--reinstall", "--no-reinstall", "--reinstall-package", "--prefix", "--target", "--requirements"),
        *("--require-hashes", "--no-require-hashes", "--verify-hashes", "--no-verify-hashes"),
        *("--extra", "--all-extras"),
    }
)
_SWITCHES = (
    *("strip-extras", "strip-markers", "annotate", "header", "generate-hashes", "universal", "emit-index-url"),
    *("emit-find-links", "emit-build-options", "emit-marker-expression", "emit-index-annotation", "allow-unsafe"),
    *("reuse-hashes", "emit-trusted-host", "emit-options"),
)

COMPILE = (
    *(flag for flag in PIP_INSTALL if flag.name not in _NOT_OF_COMPILE),
    *(Flag((f"--{word}{name}",), False, CARRY) for name in _SWITCHES for word in ("", "no-")),
    Flag(("--extra",), True, CARRY),
    Flag(("--all-extras",), False, CARRY),
    Flag(("--output-file", "-o"), True, JUDGE),
    Flag(("--format",), True, CARRY),
    Flag(("--annotation-style",), True, CARRY),
    Flag(("--custom-compile-command",), True, JUDGE),
    Flag(("--no-emit-package",), True, CARRY),
    Flag(("--resolver",), True, CARRY),
    Flag(("--max-rounds",), True, CARRY),
    Flag(("--client-cert",), True, NEVER, "a client certificate belongs in SSL_CLIENT_CERT: the gateway uses it"),
    Flag(("--config",), True, NEVER, "use `--config-file`"),
    Flag(("--pip-args",), True, NEVER, "uv has no use for it"),
)
