"""How Sphinx makes the documentation: `make docs`, in which every warning is an error."""

import importlib.metadata

import pylons_sphinx_themes

project = "pyramid_sqlsession"
author = "pyramid_sqlsession contributors"
copyright = "the pyramid_sqlsession contributors"  # noqa: A001 - Sphinx calls it so
release = version = importlib.metadata.version(project)

extensions = ["sphinx.ext.autodoc"]
default_role = "py:obj"  # a name in the backquotes of a docstring leads to what it names
highlight_language = "none"  # guess nothing: a block that is code says in which language
html_theme = "pylons"
html_theme_path = pylons_sphinx_themes.get_html_themes_path()
html_title = f"{project} {release}"
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"  # long names overflow the column beside the page

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
