"""The load of `benchmarks.load` on several database servers, of which one is killed meanwhile.

    python -m benchmarks.cluster galera|failover [--requests N] [--scene NAME ...] [--rst FILE]

`galera` runs three nodes of MariaDB, `postgresql` a primary and its standby, both in a folder that
is thrown away. `failover` is what an application needs to go from
one node of MariaDB to another, `application` the shop with it. `scenes` names what is done while
visitors come, `running` does it, `listening` notes how long each answer took, `report` shows the
result.
"""
