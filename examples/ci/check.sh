#!/bin/sh
# Judges the locks of a change by the policy, pins and baseline of the branch that it is meant for: what a change says
# about its own approval does not count. Usage: check.sh BASE [ARGUMENTS OF openvet-install check…]
#   check.sh origin/main --report=github --report=sarif:openvet.sarif
set -eu
base=$1
shift
policy=$(mktemp -d)
trap 'rm -rf "$policy"' EXIT
cd "$(git rev-parse --show-toplevel)"
git rev-parse --verify --quiet "$base^{commit}" > /dev/null || { echo "error: no commit $base; fetch it first" >&2; exit 78; }
for name in openvet.toml openvet-install.toml openvet.lock openvet-install.lock openvet.baseline.toml; do
  if git cat-file -e "$base:$name" 2> /dev/null; then git show "$base:$name" > "$policy/$name"; fi
done
set -- --project "$policy" "$@"
for name in uv.lock pylock.toml pylock.*.toml; do
  if [ -f "$name" ]; then set -- "$@" "$name"; fi
done
code=0
openvet-install check "$@" || code=$?
exit "$code"
