"""The certificate of a local exchange: made once per data directory, for all venues' host names."""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import trustme

AUTHORITY_FILE: Final = "authority.pem"
_CHAIN_FILE: Final = "front.pem"


def server_context(directory: Path, hosts: Iterable[str]) -> ssl.SSLContext:
    """Return what a server needs to speak as *hosts*; `authority.pem` is for its clients.

    The authority's own key is thrown away: nobody can make another certificate with it.
    """
    wanted = sorted(hosts)
    chain, names = directory / _CHAIN_FILE, directory / "front.hosts"
    if not chain.exists() or not names.exists() or names.read_text().split() != wanted:
        _make(directory, chain, wanted)
        names.write_text("\n".join(wanted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def _make(directory: Path, chain: Path, hosts: list[str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA(organization_name="OpenSQT local exchange")
    leaf = authority.issue_cert(*hosts, "localhost")
    authority.cert_pem.write_to_path(str(directory / AUTHORITY_FILE))
    chain.touch(mode=0o600)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(chain))
