"""The commands: `wrap` (openvet-pip, openvet-uv) and `manage` (openvet-install); they wire, call and print."""
