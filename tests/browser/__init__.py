"""The demo as people meet it: a real server, visited with a real browser by Playwright."""

# The path of a Chromium; without it none of these tests is collected, and `make test` says so.
VARIABLE = "SQLSESSION_BROWSER"
