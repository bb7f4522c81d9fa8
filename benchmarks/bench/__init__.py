"""What a session costs: this package, the least that is possible, and its peers, in one run.

    make bench
    python -m benchmarks.bench [SECTION ...] [--contestants A,B] [--databases sqlite,postgresql]

`roster` names the contestants, which are in `contestants`, and `workloads` what they are asked.
Each is one of the `subjects`: a `process` of its own, in one of the `environments`, that does what
it is told (`worker`), at one of the `places`. The sections are `cost`, `counts`, `parallel` and
`memory`; `tables`, `chart` and `document` show what they found.
"""
