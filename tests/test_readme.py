"""What README and docs say can be done: commands parse, programs of the library run, links lead somewhere."""

import re
import shlex

import pytest

import train_space
from catvae import __main__ as command
from tests.conftest import ROOT, readme_block

PAGES = {path.relative_to(ROOT).as_posix(): path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))}


def commands(page: str) -> list[str]:
    """The lines of the page's shell programs, without comments, and its `python -m catvae …` in running text."""
    text = PAGES[page].read_text(encoding="utf-8")
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in re.sub(r"\\\n", " ", block).split("\n")
    ]
    return [*lines, *re.findall(r"`(python -m catvae [^`]+)`", text)]


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_understood(page):
    for line in commands(page):
        words = shlex.split(line, comments=True)
        if words[:3] == ["python", "-m", "catvae"] and words[3] != "--help":
            try:
                command.parse(words[3:])
            except SystemExit:
                # in running text arguments may be left out, never the command's name
                assert f"`{line}`" in PAGES[page].read_text(encoding="utf-8") and len(words) <= 4, line
        elif "train_space.py" in words and "--help" not in words:
            train_space.parse(words[words.index("train_space.py") + 1 :])
        elif words[:1] == ["make"] and "/" not in line:
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M), line


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", PAGES[page].read_text(encoding="utf-8"), flags=re.S)
    for link in [*re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text), *re.findall(r'src="([^"]+)"', text)]:
        assert link.startswith(("https://", "/", "{{")) or (PAGES[page].parent / link).exists(), link
    for link, heading in re.findall(r"\]\((?!https)([^)#\s]*)#([^)]+)\)", text):
        target = (PAGES[page].parent / link if link else PAGES[page]).read_text(encoding="utf-8")
        headings = [re.sub(r"[^\w\- ]", "", line).strip().lower() for line in re.findall("^#+(.*)", target, re.M)]
        assert heading in [words.replace(" ", "-") for words in headings], f"{link}#{heading}"


def test_the_readme_is_short():
    assert len(PAGES["README.md"].read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", ["README.md", "README.es.md", "docs/programs.md"])
def test_mixes_run_as_pasted(page, tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    mixes = [words for line in commands(page) if "mix" in (words := shlex.split(line, comments=True))[3:4]]
    assert mixes
    for words in mixes:
        monkeypatch.setattr("sys.argv", words[2:])
        command.main()
        assert (tmp_path / words[words.index("--out") + 1]).stat().st_size > 10_000, words


def test_programs_of_the_library_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    names = {}
    exec(readme_block("python", "load_variant"), names)
    assert len(names["frames"]) == 9 and names["large"][1].size == (256, 256)
    exec(readme_block("python", "find_faces"), names)
    assert [face.size for face in names["faces"]] == [(64, 64)]
    program = readme_block("python", "from_pretrained").replace("OWNER/NAME", str(ROOT / "checkpoints"))
    exec(program, names)
    assert names["model"].config.latent_dim == 500
