"""A log, and a project that judges by it."""

from tests.support.judging import alice, project, sim, store

__all__ = ["alice", "project", "sim", "store"]
