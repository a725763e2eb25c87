"""The gate: one run from argv to `Run`, and the judging of locks. Prints nothing.

- `model`: `Run` and its parts, the only thing reports see;
- `setting`: which policies and modes hold;
- `state`, `once`: this machine's folders, and values computed once per key;
- `knowledge`: what the logs say, at the pinned and the newest head;
- `keeper`: the gateway's questions answered; `wanted`: who asked for what, and what was in the way;
- `session`: one gated run; `judge`: locks and releases without installing.
"""
