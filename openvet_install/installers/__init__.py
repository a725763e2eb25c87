"""What is known about pip, uv, their inputs and what they leave on disk."""
