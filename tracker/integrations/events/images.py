"""The version of a container's image, out of its reference."""

from collections.abc import Sequence


def version_of(images: Sequence[str], wanted: str | None) -> str | None:
    """The tag, else the digest, of the image whose name has `wanted` in it, else of the first.

    The grammar of references of the distribution project: `host:port/path:tag@digest`.
    """
    named = [one for one in images if wanted and wanted.lower() in _name(one).lower()]
    reference = next(iter(named or images), None)
    if reference is None:
        return None
    path, _, digest = reference.partition("@")
    tag = path.rpartition("/")[2].partition(":")[2]
    return tag or digest or None


def _name(reference: str) -> str:
    path = reference.partition("@")[0]
    folder, slash, last = path.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"
