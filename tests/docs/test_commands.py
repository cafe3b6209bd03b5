"""Every command that a page shows can be typed as it stands: flags that are there, files that are
there, paths that something answers.
"""

import re
import shlex
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from pilotfish.admin.routes import Admin
from pilotfish.cli import _kubectl, _parser, main
from pilotfish.core.exchange import endpoints

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "bench" / "README.md",
    *(ROOT / "charts").rglob("*.md"),
]
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r" *<<'(\w+)'\n(.*?)^\1\n", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(pilotfish [a-z]+ [^`]+)`")


def shown():
    """Each line of each fence, and what is piped where apart: without comments, here-documents and
    assignments before it.
    """
    for page in PAGES:
        for fence in FENCE.findall(page.read_text()):
            for line in HEREDOC.sub("\n", fence).replace("\\\n", " ").splitlines():
                for words in piped(line):
                    yield pytest.param(words, id=f"{page.stem}: {' '.join(words)[:60]}")


def piped(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    found = [[]]
    for word in lexer:
        if word == "|":
            found.append([])
        else:
            found[-1].append(word)
    return [words for words in found if words]


def inline():
    for page in PAGES:
        for text in INLINE.findall(page.read_text()):
            yield pytest.param(piped(text)[0], id=f"{page.stem}: {text[:60]}")


def parsed(words):
    """The words after `pilotfish`, as the command line reads them."""
    return _parser(words).parse_args(words)


def known(url):
    """A path of the admin port, or one that clients ask."""
    path = urlsplit(url).path
    # Nothing is asked of engine or store before a request.
    admin = Admin(None, None, None, None, max_body_bytes=1).application()
    return (
        path in {resource.canonical for resource in admin.router.resources()}
        or endpoints.find(path) is not None
        or endpoints.models_path(path) is not None
    )


def is_make(words):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words[1] in targets
    for assigned in words[2:]:
        name, _, value = assigned.partition("=")
        assert name in (ROOT / "Makefile").read_text()
        if words[1] == "demo" and name == "ARGS":
            parsed(["demo", *shlex.split(value)])


def is_curl(words):
    urls = [w for w in words if w.startswith("http")]
    assert len(urls) == 1, "an address with its scheme, so that it can be copied anywhere"
    assert known(urls[0]), urls


def is_helm(words):
    values = yaml.safe_load((ROOT / "charts" / "pilotfish" / "values.yaml").read_text())
    for word in words:
        assert not word.startswith("charts/") or (ROOT / word).is_dir(), word
    for flag, value in pairwise(words):
        if flag == "--set":
            at = values
            for key in value.partition("=")[0].split("."):
                assert key in at, f"--set {value}: no such value in the chart"
                at = at[key]


def is_kubectl(words):
    if words[1] == "pilotfish":
        _kubectl.parser().parse_args(words[2:])
    for flag, value in pairwise(words):
        if flag == "-k":
            assert (ROOT / value / "kustomization.yaml").is_file(), value


def is_python(words):
    assert (ROOT / words[1]).is_file(), words[1]


PROGRAMS = {
    "pilotfish": lambda words: parsed(words[1:]),
    "make": is_make,
    "curl": is_curl,
    "helm": is_helm,
    "kubectl": is_kubectl,
    ".venv/bin/python": is_python,
    "export": lambda words: None,
    "echo": lambda words: None,
}


@pytest.mark.parametrize("words", list(shown()))
def test_what_is_shown_can_be_typed(words):
    assert words[0] in PROGRAMS, f"who is {words[0]!r}? Tell this test how to read it"
    PROGRAMS[words[0]](words)


@pytest.mark.parametrize("words", list(inline()))
def test_what_a_sentence_says_to_type_can_be_typed(words):
    if words[-1] != "--help":
        parsed(words[1:])
        return
    with pytest.raises(SystemExit) as ended:
        parsed(words[1:])
    assert ended.value.code == 0


def test_a_command_that_is_not_there_would_be_noticed(capsys):
    for words in (["check", "--no-such-flag", "x"], ["nothing"]):
        with pytest.raises(SystemExit):
            parsed(words)
    with pytest.raises(SystemExit):
        is_kubectl(["kubectl", "pilotfish", "stat", "web-1"])
    for check, words in (
        (is_curl, ["curl", "http://127.0.0.1:14001/nothing"]),
        (is_helm, ["helm", "--set", "nothing=1"]),
        (is_make, ["make", "nothing"]),
    ):
        with pytest.raises(AssertionError):
            check(words)


def test_manifests_that_are_shown_hold_good_rules(tmp_path, capsys):
    found = [
        text
        for page in PAGES
        for fence in FENCE.findall(page.read_text())
        for _, text in HEREDOC.findall(fence)
    ]
    assert found
    for number, text in enumerate(found):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        assert main(["check", str(path)]) == 0, capsys.readouterr()
