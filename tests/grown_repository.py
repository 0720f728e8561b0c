"""A git repository of many releases in the blink of an eye, by `git fast-import`: branches, merges, tags."""

import random
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

from tests.git_repository import START


def grow(folder: Path, releases: int, *, seed: int = 1, every: timedelta = timedelta(hours=20)) -> None:
    """Make a bare repository with tags v1, v2 …: every other one light, each after a merge and commits."""
    chance, at, mark, lines = random.Random(seed), START, 0, list[str]()

    def commit(subject: str, written: datetime, parents: list[int]) -> int:
        nonlocal mark
        mark += 1
        author, committer = (f"M <m@example.com> {int(one.timestamp())} +0000" for one in (written, at))
        lines.append(f"commit refs/heads/main\nmark :{mark}\nauthor {author}\ncommitter {committer}")
        lines.append(f"data {len(subject)}\n{subject}")
        lines.extend(f"{'from' if number == 0 else 'merge'} :{one}" for number, one in enumerate(parents))
        lines.append(f"M 100644 inline {mark % 50}.txt\ndata 2\n{mark % 10}\n")
        return mark

    tip = commit("Begin", at, [])
    for number in range(1, releases + 1):
        at += every * chance.uniform(0.5, 1.5)
        side = tip
        for written in range(chance.randint(1, 3)):
            side = commit(f"Part {written} of {number}", at - timedelta(hours=chance.uniform(1, 300)), [side])
        tip = commit(f"Change {number}", at - timedelta(hours=chance.uniform(0, 30)), [tip])
        tip = commit(f"Merge branch 'feature/{number}'", at, [tip, side])
        if number % 2:
            lines.append(f"reset refs/tags/v{number}\nfrom :{tip}\n")
        else:
            tagger = f"M <m@example.com> {int(at.timestamp()) + 600} +0000"
            said = f"Release {number}"
            lines.append(f"tag v{number}\nfrom :{tip}\ntagger {tagger}\ndata {len(said)}\n{said}")
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(folder)], check=True)
    text = "\n".join(lines) + "\n"
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=text.encode(), check=True)
