"""The load, while something breaks: no acknowledged change may be lost, no ended session revived.

    python -m benchmarks.faults [--requests N] [--careless] [--rst FILE] [FAULT ...]

`instances` are database servers of our own that can be killed, `application` is the shop of the
load with a clock and a death of its own. Each fault has a module: `killed_server`,
`cut_connections`, `full_disk`, `killed_worker`, `jumping_clock` and `deploy`; `fault` is what they
have in common, and `report` shows what they did. `--careless` does with each fault what should not
be done, to show that it would be noticed: the ways that need code are in `careless`.
"""
