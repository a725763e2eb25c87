"""A `Run` for people and for machines: `text` (terminal), `document` (JSON and its schema)."""
