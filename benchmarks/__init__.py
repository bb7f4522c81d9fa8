"""Programs that measure; `README.rst` has what they showed."""
