"""What each key of `[install]` means, for `docs/reference.md`; a test holds it to what the reader takes."""

from __future__ import annotations

INSTALL = {
    "mode": "what silence does: `block` stops it, `warn` passes and tells it, `record` tells it in reports only",
    "sdists": "`audited`: as wheels; `never`: no source distribution is taken",
    "local-projects": "folders of your own that may be installed as they are",
    "heads": "`locked`: a yes counts from the pin only, a no from the newest head at once; `latest`: both at once",
    "check-every": "how old a look at the heads of the logs may be; also how late bad news may arrive",
    "stale-after": "a log out of reach for longer ends the run with 69",
    "cooldown": "silent files younger than this are held back even in warn mode; an audit lifts it",
    "max-lag": "a release this much older than the newest is not silently fallen back to",
    "carry": "`content`: what is said of an audited file holds for other files of the release with the same content",
    "isolation": "network isolation of the child: `auto`, `require` or `off`",
    "log": "`[install.log.NAME]`: what `[log.NAME]` cannot say",
    "publisher": "`[[install.publisher]]`: who may have built a package, told by verified provenance",
    "exempt": "`[[install.exempt]]`: silence about one release is forgiven until a day",
    "trust-root": "Sigstore's trusted root as JSON, instead of the built-in one; machine and user policies only",
}
LOG = {
    "operators": "fingerprints of the first operator key of generation 0, 1, …: the trust anchor",
    "signers": "extra auditor keys that are not in the log's keyset",
    "mirrors": "the same log elsewhere, for when the first does not answer",
    "expect": "warn when the newest commit is older",
}
EXEMPT = {
    "package": "the package",
    "version": "the release; with `index`, where no hash is known",
    "index": "the index that must list it, with `version`",
    "hashes": "`sha256:…` of the files",
    "sdist": "cover source distributions too: their code runs",
    "audit": "lift the no of this one audit (12 digits of its hash or more); user and machine only, 14 days at most",
    "owner": "who answers for it",
    "reason": "why",
    "until": "the last day, in UTC; at most a year ahead",
}
PUBLISHER = {
    "package": "the package, or a pattern with `*`; the most exact rules count, equally exact ones are alternatives",
    "index": "the index that the package is bound to; its files from elsewhere are refused",
    "kind": "`GitHub`, `GitLab`, `Google`, `CircleCI` or `URL`",
    "repository": "`OWNER/NAME`; for CircleCI as the certificate writes it (`github.com/OWNER/NAME`)",
    "workflow": "the file in `.github/workflows`; for GitLab the path of the pipeline's file",
    "environment": "the deployment environment",
    "ref": "the branch or tag, such as `refs/tags/*`",
    "runner": "`github-hosted`, `self-hosted`, `gitlab-hosted` …",
    "owner-id": "the owner's number: a name can be registered again, a number cannot",
    "repository-id": "the repository's number",
    "issuer": "who vouched for the identity; for GitLab the address of another instance",
    "identity": "the certificate's subject: an e-mail address or URL",
    "required": "`true` (default): without provenance it is `provenance-missing`; `false`: only a mismatch stops it",
    "trust-root": "the trusted root for this rule; machine and user policies only",
}
