"""pip and uv behind a gate: only files that signed OpenVet audits approve get through."""

__version__ = "0.1.0"
