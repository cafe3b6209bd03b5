"""What all commands have in common: how they are found, and how they end."""

import pytest

from pilotfish import __version__
from pilotfish.cli import commands, main


def test_every_documented_command_is_there(capsys):
    wanted = {
        "proxy",
        "demo",
        "check",
        "explain",
        "prices",
        "probe",
        "schema",
        "injector",
        "inject",
        "import",
        "top",
        "reset",
        "version",
    }
    assert set(commands()) == wanted
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    for name in wanted:
        assert f"\n    {name} " in said


def test_version(capsys):
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith(f"pilotfish {__version__} (Python ")


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["check"], ["explain", "--config", "x"], ["version", "--nothing"]],
)
def test_wrong_use_is_exit_code_2_and_names_what_is_wrong(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    said = capsys.readouterr()
    assert said.out == ""
    assert "pilotfish" in said.err
    assert "Traceback" not in said.err
