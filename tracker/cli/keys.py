"""`tracker keys`: the keys that sign and verify tokens."""

import json

import rich_click as click

from tracker.auth.keys import generate, load_keys, load_or_create_keys, remove, rotate
from tracker.cli.common import CommandFailed
from tracker.settings import Settings, SigningAlgorithm

_algorithm_option = click.option(
    "--algorithm",
    type=click.Choice([algorithm.value for algorithm in SigningAlgorithm]),
    help="Default: TRACKER_SIGNING_ALGORITHM.",
)


@click.group()
def keys() -> None:
    """List, add and remove the keys that sign and verify tokens.

    Every running service honours a change within five seconds.
    """


@keys.command("list")
def list_keys() -> None:
    """Show the keys, the oldest first; the newest private one signs."""
    ring = load_or_create_keys(Settings())
    for key in ring.keys.values():
        use = "verifies" if key.signing is None else "signs" if key is ring.newest else "signed before"
        click.echo(f"{key.key_id}  {key.algorithm}  {use}")


@keys.command("rotate")
@_algorithm_option
def rotate_keys(algorithm: str | None) -> None:
    """Add a key that signs from now on. Tokens of the others stay valid until they are removed."""
    settings = _with_file()
    load_or_create_keys(settings)
    key_id = rotate(settings.key_ring_file, SigningAlgorithm(algorithm or settings.signing_algorithm))
    click.echo(f"New tokens are signed with {key_id}.")


@keys.command("remove")
@click.argument("key_id", metavar="KID")
def remove_key(key_id: str) -> None:
    """Take a key out of the ring: the tokens that it has signed are no longer honoured."""
    settings = _with_file()
    load_keys(settings)
    remove(settings.key_ring_file, key_id)
    click.echo(f"Removed {key_id}.")


@keys.command("generate")
@_algorithm_option
def generate_key(algorithm: str | None) -> None:
    """Print a new private key as JSON, to put into the "keys" of TRACKER_KEYS; it is stored nowhere."""
    chosen = SigningAlgorithm(algorithm or Settings().signing_algorithm)
    click.echo(json.dumps(generate(chosen)))


def _with_file() -> Settings:
    settings = Settings()
    if settings.keys is not None:
        raise CommandFailed(
            "the keys come from TRACKER_KEYS: add what 'tracker keys generate' prints there, last in the list"
        )
    return settings
