"""Fixtures for all tests: the hostile origin, plain and TLS, and the certificates behind the latter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.certs import Certificates
from tests.support.origin import Origin


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The test run's own authority; its CA file is `certificates.authority`."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A plain http origin on a free port of 127.0.0.1."""
    with Origin() as server:
        yield server


@pytest.fixture
def secure_origin(certificates: Certificates) -> Iterator[Origin]:
    """An https origin with a good certificate for 127.0.0.1."""
    with Origin(certificates.server()) as server:
        yield server
