"""What a session costs as the table grows, and as its content does.

    python -m benchmarks.growth [--rows N ...] [--sizes N ...] [--repeat N] [--write FOLDER]

`application` is what is asked, `numbered` makes its sessions by the million, `server` is a
PostgreSQL of our own that counts its work, `scenes` puts these together, `turns` takes the times,
and `report` and `chart` show them.
"""
