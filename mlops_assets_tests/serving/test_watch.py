"""Who reigns is looked at again and again; what may not be served leaves what is."""

import asyncio

import pytest

from mlops_assets.serving import service as services
from mlops_assets.serving.app import App
from mlops_assets_tests.serving.http import get, post, serving
from mlops_assets_tests.serving.world import MODEL, asked, released


@pytest.fixture
def service(shelves, tmp_path):
    with serving(shelves, tmp_path / "log") as service:
        yield service


def look(service):
    asyncio.run(service.look())
    return service.state


def version(service):
    return post(App(service), asked()).json()["version"]


def test_the_version_that_reigns_answers_after_a_look(shelves, service):
    released(shelves, 2, "2024-05-02")
    assert version(service) == 1
    assert look(service).reasons == []
    assert version(service) == 2
    shelves.reigns.begin(MODEL, 1, after=2, by="Ada", reason="r", at="2024-05-03T00:00:00+00:00", run_id="")
    look(service)
    assert version(service) == 1


def test_a_contract_that_breaks_callers_is_not_swapped_in_without_its_edition(shelves, service):
    answered = {"probability": "double from 0 to 1"}
    released(shelves, 2, "2024-05-02", output=answered)
    assert "'version' is gone from output; declare contract.edition 2" in look(service).update
    assert version(service) == 1
    assert service.state.is_ready
    assert f'model_update_refused{{model="{MODEL}"}} 1.0' in get(App(service), "/metrics").text
    released(shelves, 3, "2024-05-03", edition=2, output=answered)
    assert look(service).reasons == []
    assert version(service) == 3


def test_a_version_that_was_refused_is_tried_again_after_a_while_or_when_asked(shelves, service, monkeypatch):
    second = released(shelves, 2, "2024-05-02")
    path = shelves.artifacts.folder(second.artifact_digest) / "model.skops"
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert "version 2 reigns and may not be served: model.skops" in look(service).update
    path.write_bytes(whole)
    assert "version 2" in look(service).update
    monkeypatch.setattr(services, "AGAIN_SECONDS", 0.0)
    assert look(service).update == ""
    assert version(service) == 2


def test_a_look_that_is_asked_for_comes_at_once(shelves, service):
    released(shelves, 2, "2024-05-02")

    async def watched():
        service._settings = services.Settings(clock=service._settings.clock, poll_seconds=600)
        watching = asyncio.create_task(service.watch())
        await asyncio.sleep(0.05)
        service.look_now()
        while service.current.released.release.version == 1:
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(asyncio.wait_for(watched(), 30))
    assert version(service) == 2


def test_whatever_fails_at_a_look_there_is_a_next_one(shelves, service, monkeypatch):
    released(shelves, 2, "2024-05-02")
    failed = []

    def fails_once():
        if not failed:
            failed.append(True)
            raise FileNotFoundError("somebody cleared it away")

    monkeypatch.setattr(service.windows, "flush", fails_once)

    async def watched():
        service._settings = services.Settings(clock=service._settings.clock, poll_seconds=0.01)
        watching = asyncio.create_task(service.watch())
        while service.current.released.release.version == 1 and not watching.done():
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(asyncio.wait_for(watched(), 30))
    assert failed
    assert version(service) == 2


def test_where_nobody_knows_who_reigns_the_version_goes_on_and_it_is_told(service, monkeypatch):
    def broken(shelves, model):
        raise OSError("the database is gone")

    with monkeypatch.context() as patched:
        patched.setattr(services, "reigning", broken)
        assert look(service).reasons == ["the release record cannot be read: the database is gone"]
        assert version(service) == 1
        assert get(App(service), "/ready").status_code == 200
    assert look(service).reasons == []
