"""Measures the real system: `make bench`, `make bench-against REF=<commit>`, `make overload`.

Every figure is the median of several rounds with its range. Rates of this kind of machine differ by a factor
of three from day to day, so a figure says something beside that of another version in the same minutes.

| case | what | module |
|---|---|---|
| capacity | the highest rate of independent arrivals that is served well | open_loop, search |
| cost | CPU time of an order, times to the 201 and to the first offer, at given rates | open_loop |
| idle | CPU time a second while nobody is connected | rates |
| accepts | accept to `trip_assigned` | accepting |
| crowd | thousands of connected drivers with a position every 5 s each, and orders beside them | crowd |
| nearest | the ten nearest, beside GEOSEARCH with the same answer | nearest |
| growth | orders and sweeps with millions of past orders in the tables | growth |
| recovery | orders that were queued while no worker ran | recovery |
| day | recorded hours, replayed faster and faster | day |

`loop`, `http` and `sockets` are the load client, `city` its drivers and customers, `site` the system of this
tree and `checkout` that of another commit; `cpu`, `figures` and `comparison` do the sums.
"""
