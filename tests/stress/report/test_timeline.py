"""The last operations as a table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stress.finding import RecordedOperation
from stress.report.timeline import timeline


def test_long_names_keep_their_ends() -> None:
    operations = [
        RecordedOperation(1_000_000, f"actor writer-{n}", 7, "begin", "sessions.append_message")
        for n in range(4)
    ]
    lines = timeline(operations, width=64)
    assert max(map(len, lines)) <= 64
    for number in range(4):
        assert f"…r writer-{number}" in lines[0]
    assert all("…ssage #7" in line for line in lines[1:])


@given(
    st.lists(
        st.builds(
            RecordedOperation,
            st.integers(0, 10**9),
            st.sampled_from([f"thread-{n}" for n in range(8)]),
            st.integers(-1, 99),
            st.sampled_from(["begin", "end", "error", "note"]),
            st.sampled_from(["a", "sessions.append", "x" * 60]),
        )
    )
)
def test_lines_are_never_too_long(operations: list[RecordedOperation]) -> None:
    assert all(len(line) <= 96 for line in timeline(operations))
