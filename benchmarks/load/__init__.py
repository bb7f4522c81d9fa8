"""A load over real processes and real HTTP, whose every acknowledged change is counted in the end.

    python -m benchmarks.load [--requests N] [--rst FILE] [DATABASE ...]

`application` is what is served, `server` serves it, `databases` hold its tables. `visiting` sends
what visitors do, `life` journals what was acknowledged to one session, `acts` are the things that
can be done to it, `counting` compares all journals with the database, `report` shows the result.
`careless` breaks the package, to show that the counting would notice.
"""
