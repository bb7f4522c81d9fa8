"""Whatever can be read while the suite runs, searched for session ids.

With `pytest --search-leaks` everything is logged, SQLAlchemy's statements and pools included, and
after each test whatever somebody could have read is searched for the session ids that the package
has issued, in all spellings: logs, output, events, errors with their tracebacks and the variables
of our frames, warnings, the bodies and headers of responses, and the objects that belong to a
request. A find lets the test fail, which says where.

As statements that are logged are left to SQLAlchemy, a test that is about the direct way to the
driver has the mark `without_echo`; one that shows an id on purpose has `shows_ids`, which names
the places. `--without-echo` spares all tests the logging of statements: they go the same way as
in production, which may show other things. Ids of other processes are not known here.
"""
