"""The service asked over HTTP within this process, where no server is needed."""

import asyncio
from contextlib import contextmanager

import httpx

from mlops_assets.serving.app import App
from mlops_assets.serving.clock import begun_at
from mlops_assets.serving.service import Service, Settings
from mlops_assets.stores.prediction_log import PredictionLog
from mlops_assets_tests.serving.world import FEATURES, MODEL, MOMENT

JSON = {"content-type": "application/json"}


@contextmanager
def serving(shelves, folder, *, log=True, windows=None, features=FEATURES, **settings):
    """A service whose clock is that of the world."""
    kept = PredictionLog(folder) if log else None
    service = Service(shelves, features, MODEL, kept, Settings(clock=begun_at(MOMENT), **settings), windows)
    try:
        yield service
    finally:
        service.close()


def together(app: App, *asked, **headers):
    """Requests that are sent at once, each a method, a path and a body; their answers."""

    async def ask():
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            sent = [
                client.request(method, path, content=body, headers={**JSON, **headers})
                for method, path, body in asked
            ]
            return await asyncio.gather(*sent)

    return asyncio.run(ask())


def post(app: App, body: bytes, **headers):
    (answer,) = together(app, ("POST", "/predict", body), **headers)
    return answer


def get(app: App, path: str, **headers):
    (answer,) = together(app, ("GET", path, None), **headers)
    return answer
