"""Certificates from files: taken when they change, whole or not at all."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from pilotfish.injector import pki
from pilotfish.injector.tls import Tls, follow_files

NOW = datetime.now(UTC)


@pytest.fixture
def files(tmp_path):
    authority = pki.new_authority(NOW, timedelta(days=1))

    def write(days=0.5):
        pair = pki.new_leaf(authority, ["localhost"], NOW, timedelta(days=days))
        (tmp_path / "tls.crt").write_bytes(pair.certificate)
        (tmp_path / "tls.key").write_bytes(pair.key)
        return pki.expiry(pair.certificate).timestamp()

    return tmp_path, write


async def looks(tls, folder, times):
    """Follows the files for some looks."""

    async def follow():
        await follow_files(tls, folder / "tls.crt", folder / "tls.key", every_s=0)

    task = asyncio.create_task(follow())
    for _ in range(times):
        await asyncio.to_thread(lambda: None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_files_that_are_not_there_yet_are_waited_for(files):
    folder, write = files
    tls = Tls()
    task = asyncio.create_task(follow_files(tls, folder / "tls.crt", folder / "tls.key", every_s=0))
    await asyncio.to_thread(write)
    await tls.installed.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_replacement_that_is_half_done_leaves_the_one_before(files):
    folder, write = files
    tls = Tls()
    ends = write()
    tls.install(pki.Pair((folder / "tls.crt").read_bytes(), (folder / "tls.key").read_bytes()))
    key = (folder / "tls.key").read_bytes()
    write(0.25)
    (folder / "tls.key").write_bytes(key)
    await looks(tls, folder, 20)
    assert tls.expires_at == ends
