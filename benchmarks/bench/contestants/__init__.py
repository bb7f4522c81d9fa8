"""The applications that are compared: each module makes one, at a place that it is told."""
