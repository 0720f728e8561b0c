"""Packages that register metrics, as they are installed."""

from pathlib import Path


def install_metrics(folder: Path, module: str) -> Path:
    """Put a package into the folder that registers what the module's text does; whoever has the folder on its
    path has it installed.
    """
    (folder / "acme_metrics.py").write_text(module)
    about = folder / "acme_metrics-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-metrics\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[shiptally.metrics]\nacme = acme_metrics\n")
    return folder
