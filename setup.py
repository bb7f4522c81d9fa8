"""Lets tools that only know `setup.py` build the package; the metadata are in `pyproject.toml`."""

from setuptools import setup

setup()
