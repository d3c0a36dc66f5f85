"""Is there reason to train a challenger? Reads what was found, decides, and writes every answer down."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.identity import meaning
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import question
from mlops_assets.errors import BadRequest
from mlops_assets.governance.retraining import Asked, declared, held_back
from mlops_assets.steps.definitions import changed_definitions
from mlops_assets.steps.due import REPORTS, newest_judged
from mlops_assets.steps.restatement import champion_restated, restated_below
from mlops_assets.steps.seen import seen_in
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.reigns import SENSOR, require_person
from mlops_assets.stores.releases import Release
from mlops_assets.stores.retrainings import Kind, RetrainingDecision
from mlops_assets.stores.stores import Stores


def decide_all(stores: Stores, catalog: Catalog, model: Model, *, at: str) -> list[RetrainingDecision]:
    """Every answer that is due, oldest as-of date first, written down; those that were given before stay as they are.

    There is one answer for each as-of date after the newest judged one of which all reports are there, one for each
    earlier date whose reports come after that, since the loop began, and one for each change of what the champion was
    trained on. at: this moment, in UTC. What is held back of restated days is told, and written down once
    nothing holds it any more: no look will find it again.
    """
    champion = stores.releases.champion(model.name)
    judged = newest_judged(stores, model)
    if champion is None or judged is None:
        return []
    return [
        *_of_looks(stores, model, champion, judged, at),
        *_of_changes(stores, catalog, model, champion, judged, at),
    ]


def ask(
    stores: Stores, model: Model, as_of: str | None, *, by: str, reason: str, at: str
) -> RetrainingDecision:
    """A person's word that a challenger is to be trained, written down for the sensor to act upon.

    as_of: by default the day after the newest day of events. Raises BadRequest when nobody or no reason is named, or
    there are no events yet.
    """
    if not by.strip() or not reason.strip():
        raise BadRequest(
            "a training needs the name of who asks for it and the reason; found one of them empty"
        )
    require_person(by)
    days = _contents(stores, f"validated/{model.label.table}")
    if as_of is None and not days:
        raise BadRequest(f"there are no events of {model.label.table} yet; expected some, or an as-of date")
    wanted = as_of or _after(max(days))
    evidence = meaning("person", by.strip(), reason.strip(), at)
    asked = RetrainingDecision(
        model.name, wanted, evidence, "person", trains=True, reason=reason.strip(), by=by.strip(), at=at
    )
    return stores.retrainings.decide(asked)


def ask_by_the_clock(stores: Stores, model: Model, *, at: str) -> str:
    """Write down that a clock asks for a training as of the newest day; in words. at: the moment it was set to.

    Asked again for the same moment it asks nothing more.
    """
    judged = newest_judged(stores, model)
    if judged is None:
        return f"no version of {model.name} was ever judged: materialize its release as of a day first"
    evidence = meaning("clock", at)
    before = (one for one in stores.retrainings.history(model.name) if one.evidence == evidence)
    asked = Asked(True, f"the clock: {at[:16].replace('T', ' ')} UTC")
    answer = next(before, None) or _decide(
        stores, model, _newest(stores, model, judged), evidence, "clock", asked, at
    )
    return f"{model.name} is to be trained as of {answer.as_of}"


def unanswered(stores: Stores, model: Model) -> list[RetrainingDecision]:
    """The decisions to train that no verdict has followed: of their as-of date, after they were taken."""
    judged = stores.records.written_at(f"{model.name}/release")
    return [
        one
        for one in stores.retrainings.history(model.name)
        if one.trains and judged.get(one.as_of, "") < one.at
    ]


def _of_looks(
    stores: Stores, model: Model, champion: Release, judged: str, at: str
) -> Iterator[RetrainingDecision]:
    made = [_contents(stores, f"{model.name}/{report}") for report in REPORTS]
    both = sorted(set.intersection(*(set(one) for one in made)))
    evidence = {look: meaning([one[look].fingerprint for one in made]) for look in both}
    told = [one for one in stores.retrainings.history(model.name) if one.kind == "look"]
    trained = _trained(stores, model, at)
    verdicts = {one["as_of"] for one in stores.releases.history(model.name)}
    for look in _late(both, {one.as_of for one in told}, verdicts):
        yield _decide(stores, model, look, evidence[look], "look", _asked_already(look, trained), at)
    answered = {(one.as_of, one.evidence) for one in told}
    unanswered = {look for look in both if look > judged and (look, evidence[look]) not in answered}
    if not unanswered:
        return
    looks = [look for look in both if champion.as_of < look <= max(unanswered)]
    seen = seen_in(stores, model, champion, looks)
    trigger, held = declared(model.retraining), _held(stores, model, champion)
    for count, look in enumerate(looks, start=1):
        if look not in unanswered:
            continue
        before = [one for one in trained if one < look]
        is_last = len(before) == len(trained)
        asked = trigger(look, seen[:count], before, held) if is_last else _asked_already(look, trained)
        answer = _decide(stores, model, look, evidence[look], "look", asked, at)
        if answer.trains:
            trained = sorted({*trained, look})
        yield answer


def _late(looks: Sequence[str], answered: Collection[str], judged: Collection[str]) -> list[str]:
    """Looks that came after the training of a later date was judged: the run of one was killed, say, and made again.

    A look that was made anew when it was answered already is none, nor is one from before the loop began: at what was
    judged last before any look was answered.
    """
    if not answered:
        return []
    first = min(answered)
    begin = max((one for one in judged if one < first), default=first)
    return [one for one in looks if begin < one <= max(judged) and one not in answered]


def _asked_already(look: str, trained: Sequence[str]) -> Asked:
    later = min(one for one in trained if one >= look)
    return Asked(False, f"a training as of {later} was asked for already")


def _of_changes(
    stores: Stores, catalog: Catalog, model: Model, champion: Release, judged: str, at: str
) -> Iterator[RetrainingDecision]:
    answered = {one.evidence for one in stores.retrainings.history(model.name)}
    as_of, trained = _newest(stores, model, judged), _trained(stores, model, at)
    for kind, reason, what in _changes(stores, catalog, model, champion):
        evidence = meaning(kind, champion.version, what)
        if evidence in answered:
            continue
        # Definitions are changed by people, who are not made to wait.
        but = None
        if kind == "restated":
            but = held_back(model.retraining, as_of, trained, _held(stores, model, champion))
        if but is None:
            yield _decide(stores, model, as_of, evidence, kind, Asked(True, reason), at)
        else:
            yield _answer(model, as_of, evidence, kind, Asked(False, f"{reason}, but {but}"), at)


def _changes(
    stores: Stores, catalog: Catalog, model: Model, champion: Release
) -> Iterator[tuple[Kind, str, object]]:
    """What is others by now than when the champion was trained: its kind, in words, and exactly."""
    definitions = changed_definitions(stores, catalog, model, champion) if model.retraining.changed else None
    if definitions is not None:
        yield "changed", definitions, question(catalog, model)
    rows = restated_below(stores, champion) if model.retraining.restated else []
    if rows:
        yield (
            "restated",
            "; ".join(champion_restated(stores, model.name)),
            [one.fingerprint for _, one in rows],
        )


def _newest(stores: Stores, model: Model, judged: str) -> str:
    """The as-of date after the newest day of events, but never before the newest that was judged."""
    days = _contents(stores, f"validated/{model.label.table}")
    return max(_after(max(days)), judged) if days else judged


def _after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _decide(
    stores: Stores, model: Model, as_of: str, evidence: str, kind: Kind, asked: Asked, at: str
) -> RetrainingDecision:
    return stores.retrainings.decide(_answer(model, as_of, evidence, kind, asked, at))


def _answer(model: Model, as_of: str, evidence: str, kind: Kind, asked: Asked, at: str) -> RetrainingDecision:
    return RetrainingDecision(model.name, as_of, evidence, kind, asked.train, asked.sentence, SENSOR, at)


def _held(stores: Stores, model: Model, champion: Release) -> int:
    """How many challengers were judged after the champion, which reigns still, and were held.

    One whose run failed was never judged: it costs its cool-down, and says nothing about the champion. Nor does one
    that is still tried beside it.
    """
    tried = stores.rollouts.current(model.name)
    judged = {
        one["as_of"]
        for one in stores.releases.history(model.name)
        if tried is None or one["version"] != tried.version
    }
    return sum(one > champion.as_of for one in judged)


def _trained(stores: Stores, model: Model, at: str) -> list[str]:
    """The as-of dates of which a model was trained to be judged, or is to be; a backtest trains for itself.

    A date that is still to come at this moment holds back no training of the days until then.
    """
    asked = {one.as_of for one in stores.retrainings.history(model.name) if one.trains}
    decided = {one for one in asked if one <= at[:10]}
    return sorted(decided | {one["as_of"] for one in stores.releases.history(model.name)})


def _contents(stores: Stores, table: str) -> Mapping[str, Content]:
    return {one.partition: one for one in stores.records.contents(table)}
