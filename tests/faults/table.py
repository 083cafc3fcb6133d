"""The table at the end of a run."""

from tests.faults.run import Report


def lines(report: Report) -> list[str]:
    """What happened, what came of it, and how to do it again."""
    verdict, ledger = report.verdict, report.ledger
    statuses = ", ".join(f"{n} x {status}" for status, n in sorted(ledger.statuses.items()))
    figures = {
        "seconds": f"{report.seconds:.0f}",
        "kills": report.kills,
        "accepted": ledger.accepted,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "offers": verdict.offers,
        "undelivered": verdict.undelivered,
        "latest end of a search": f"{report.latest_end:.1f} s",
        "longest recovery": f"{report.longest_recovery:.1f} s",
        "answers": statuses,
        "seed": report.plan.seed,
    }
    table = [f"  {name:28}{value}" for name, value in figures.items()]
    kinds = [f"  {kind:28}{count}" for kind, count in report.field.incidents.kills.most_common()]
    slowest = [f"  {kind:28}{seconds:.1f} s" for seconds, kind in report.recoveries[:5]]
    broken = [f"  {kind:50}{count}" for kind, count in verdict.problems.most_common()]
    return [
        *("kills by kind", *kinds, "", "slowest recoveries", *slowest, "", "result", *table),
        *(
            ("", "broken promises", *broken, "", *verdict.examples)
            if broken
            else ("", "nothing lost, nothing doubled")
        ),
    ]
