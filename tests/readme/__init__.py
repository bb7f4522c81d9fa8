"""The README is true: its code runs, its tables are what the package does, its messages come.

`document` reads it; `conftest` has the files and the applications that it describes.
"""
