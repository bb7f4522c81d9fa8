"""The demo as people meet it: a real server, visited with a real browser.

`SQLSESSION_BROWSER` is the path of a Chromium, which Playwright drives; without it none of these
tests is collected, and `make test` says so.
"""
