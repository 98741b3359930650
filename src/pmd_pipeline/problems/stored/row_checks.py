"""What must hold between the rows of one set."""

from collections import Counter

from pmd_pipeline.problems.stored.cells import BadValueError, ProblemText


class RowIds:
    """The rows' ids, each once.

    Args:
        repeats_rows: True: an id that comes again gets its count as a suffix; else it is an error.
    """

    def __init__(self, *, repeats_rows: bool) -> None:
        self._repeats_rows = repeats_rows
        self._counts: Counter[str] = Counter()
        self._first: dict[str, int] = {}

    def of(self, number: int, row_id: str | None) -> str:
        """Return the id of the next row; its number stands in where it has none.

        Raises:
            BadValueError: If another row has the id, and ids must be unique.
        """
        row_id = row_id or f"row-{number}"
        if self._repeats_rows:
            self._counts[row_id] += 1
            return row_id if self._counts[row_id] == 1 else f"{row_id}#{self._counts[row_id]}"
        if row_id in self._first:
            raise BadValueError(
                f"the problem_id {row_id!r} is that of row {self._first[row_id]} too; ids must be "
                "unique: change one, or leave columns.problem_id out, then rows are numbered"
            )
        self._first[row_id] = number
        return row_id


class Forms:
    """Whether problems are texts or chat turns: one of the two in a set."""

    def __init__(self) -> None:
        self._first: tuple[int, str] | None = None

    def check(self, number: int, text: ProblemText) -> None:
        """Raise BadValueError if this row's problem has another form than the first one's."""
        if text.problem is None:
            return
        form = "chat turns" if text.turns else "text"
        if self._first is None:
            self._first = (number, form)
        first_number, first_form = self._first
        if form != first_form:
            raise BadValueError(
                f"the problem is {form}, but that of row {first_number} is {first_form}; give all "
                "rows one form"
            )
