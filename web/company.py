"""Whether customers order one after the other, or each on his own."""

# Those who have been answered come again soon, if at all: each in his turn, and no longer than all of
# them together.
GATHER_SECONDS_EACH = 0.0015
GATHER_SECONDS = 0.02
# When nobody has come for so long, nobody comes back at once.
LULL_SECONDS = 0.003
# Of so many as would come in the time of a run at the rate of before, more than such a share comes if they
# are others, and at most such a one if they are those who come back.
SHARE_OF_OTHERS = 0.5
SHARE_OF_COMPANY = 0.25
# Where they are others, it is tried again after 2, 4, 8 ... runs, doubled so often at most.
MOST_MISSES = 7


class Company:
    """Whether those who are answered come back at once, as customers do who order one after the other.

    Then hardly anybody comes while all of them are in one run; others go on coming as they have since the run
    before began. Which of the two it is is seen while they are taken for such, and tried now and then, ever
    less, while they are not.
    """

    def __init__(self) -> None:
        # How often in a row they have not come back, and after how many runs it is tried again.
        self._misses = self._rest = 0
        # How many are in the run that tries it, and how many have come since it began.
        self._tried = self._came = 0
        # When the last run began, and how long after the one before.
        self._begun = self._interval = 0.0
        # How many are awaited, until when, and when a run has landed or somebody has come last.
        self._wanted, self._until, self._last = 0, 0.0, 0.0

    @property
    def comes_back(self) -> bool:
        return not self._rest

    def came(self, now: float) -> None:
        """Somebody has come."""
        self._last = now
        self._came += 1

    def is_worth(self, waiting: int, now: float) -> float:
        """For how many seconds more the next run should wait for others, if nobody comes."""
        if self._rest or waiting >= self._wanted:
            return 0.0
        return min(self._until, self._last + LULL_SECONDS) - now

    def begun(self, some: int, alone: bool, now: float) -> None:
        """A run of ``some`` begins, ``alone`` or while another is out."""
        self._tried, self._came = some if alone and not self._rest else 0, 0
        self._interval, self._begun = now - self._begun, now

    def landed(self, wanted: int, now: float) -> None:
        """A run has landed: so many will be in the next one if those who were in it come back."""
        if self._rest:
            self._rest -= 1
        elif self._tried:
            self._judge(now)
        self._tried = 0
        self._wanted, self._last = wanted, now
        self._until = now + min(GATHER_SECONDS_EACH * self._wanted, GATHER_SECONDS)

    def _judge(self, now: float) -> None:
        # How many came during the run, and how many would have at the rate of those in it; both times the
        # interval in which those have come.
        came, usual = self._came * self._interval, self._tried * (now - self._begun)
        if came > SHARE_OF_OTHERS * usual:
            self._misses = min(self._misses + 1, MOST_MISSES)
            self._rest = 2**self._misses
        elif self._tried > 1 and came <= SHARE_OF_COMPANY * usual:
            # One alone proves nothing. And once proves little, since it happens among others too.
            self._misses = max(self._misses - 1, 0)
