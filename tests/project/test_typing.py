"""What a user's type checker and editor see."""

from pathlib import Path

from mypy import api

USER = Path(__file__).parent / "typing" / "user.py"


def test_a_users_file_is_typed_as_it_says():
    """The file asserts its own types; an error that it doesn't expect, or expects in vain, fails."""
    report, errors, status = api.run(["--strict", "--no-incremental", "--config-file=", str(USER)])
    assert (report.strip(), errors, status) == ("Success: no issues found in 1 source file", "", 0)
