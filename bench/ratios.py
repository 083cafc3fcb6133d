"""What stands against a ceiling of the same run."""

from bench.figures import Figure, Row


def ratios(rows: list[Row]) -> list[Row]:
    """The CPU time of an order at 16 connections, and the rate of replays; of what has been measured."""
    known = {(row.case, row.condition): row.figures for row in rows}
    wanted: dict[str, Figure] = {}
    order, replay = known.get(("a", "16 connections")), known.get(("c", "16 connections"))
    post = known["ceiling", "empty POST"]
    for task in ("empty task", "empty task, our settings"):
        if order:
            ceiling = post["CPU servers"].median + known["ceiling", task]["CPU servers"].median
            wanted[f"CPU of an order to an empty POST and an {task}"] = order["CPU servers"].over(ceiling)
    if replay:
        checked = known["ceiling", "POST with token check"]["rate"].median
        wanted["rate of replays to POST with token check"] = replay["rate"].over(checked)
    return [Row("ratio", name, {"ratio": figure}) for name, figure in wanted.items()]
