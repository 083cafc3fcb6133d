"""Measures the real system beside its ceilings: `make bench`.

Every figure is the median of several rounds with its range, from one run on stores and processes of its
own. The CPU time of an order stands beside every throughput, since that holds on a noisy machine.

| case | what | module |
|---|---|---|
| | empty POST, POST with token check, empty task, pgbench of the same rows, GEOSEARCH | ceilings |
| a | POST to 201 as fast as so many connections go, 20 connected drivers in reach | placing |
| b | POST to the first and the last offer on real sockets, at half the peak rate of (a) | placing |
| c | replays of known keys | placing |
| d | accept to `trip_assigned` | accepting |
| e | thousands of connected drivers, a position every 5 s each, and (b) meanwhile | crowd |
| f | the ten nearest, beside GEOSEARCH with the same answer | nearest |
| g | (a) and each sweep with millions of past orders in the tables | growth |
| h | orders that were queued while no worker ran | recovery |
| i | recorded hours, replayed faster and faster | day |

`loop`, `http` and `sockets` are the load client, `site` is the system, `cpu` and `figures` do the sums.
"""
