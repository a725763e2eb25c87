from tests.support.installers import project, target_prefix, user, write

__all__ = ["project", "target_prefix", "user", "write"]
