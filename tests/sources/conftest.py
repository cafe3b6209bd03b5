import pytest

from kube.fake_api import fake_api


@pytest.fixture
async def api():
    async with fake_api() as api:
        yield api


@pytest.fixture
async def kube(api):
    kube = api.kube()
    yield kube
    await kube.close()
