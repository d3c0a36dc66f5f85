"""Names in the feature repository resolve, once each."""

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.features import (
    GIVEN,
    Entity,
    FeatureRepository,
    FeatureService,
    FeatureView,
    ServedFeature,
    tables_read,
)
from mlops_assets.errors import DeclarationError, UnknownName


def view(name="weather", **changed):
    said = {
        "name": name,
        "owner": "team:x",
        "entities": ["airport"],
        "reads": {name: "0d"},
        "sql": "SELECT 1",
        "ttl": "1h",
        "features": {"wind": {"type": "number"}, "visib": {"type": "number"}},
    }
    return FeatureView.model_validate({**said, **changed})


def service(*features, name="delay"):
    return FeatureService(name=name, owner="team:x", features=features)


AIRPORT = Entity(name="airport", key="origin")


def repository(*services, views=None):
    return FeatureRepository.of([AIRPORT], views or [view(), view("planes")], list(services))


@pytest.mark.parametrize(
    ("span", "days"),
    [("0s", 0), ("1s", 1), ("2h", 1), ("24h", 1), ("86401s", 2), ("36h", 2), ("7d", 7), ("169h", 8)],
)
def test_history_is_read_in_whole_days_rounded_up(span, days):
    assert view(reads={"weather": span}).history_days("weather") == days


def test_a_feature_that_is_never_valid_is_refused():
    with pytest.raises(ValidationError, match="'ttl' must be above zero"):
        view(ttl="0s")


@pytest.mark.parametrize("name", GIVEN)
def test_what_every_view_has_is_neither_a_feature_nor_a_key(name):
    with pytest.raises(ValidationError, match=f"features.{name}\n  '{name}' is given by the platform"):
        view(features={name: {"type": "timestamp"}})
    with pytest.raises(
        ValidationError, match=f"key\n.*found '{name}', which the platform adds to every view"
    ):
        Entity(name="airport", key=name)


def test_an_entity_listed_twice_is_refused_where_it_stands_again():
    with pytest.raises(ValidationError, match=r"entities.1\n  entity 'airport' is listed twice"):
        view(entities=["airport", "airport"])


def test_two_entities_of_one_key_are_refused_in_one_view():
    with pytest.raises(DeclarationError, match="'weather' has two entities with the key 'origin'") as refused:
        FeatureRepository.of(
            [AIRPORT, Entity(name="town", key="origin")], [view(entities=["airport", "town"])], []
        )
    assert refused.value.field == ("views", "weather", "entities", 1)


def test_a_key_that_is_a_feature_too_is_refused():
    with pytest.raises(DeclarationError, match="'weather' declares its key 'origin' as a feature") as refused:
        repository(views=[view(features={"origin": {"type": "string"}})])
    assert refused.value.field == ("views", "weather", "features", "origin")


@pytest.mark.parametrize("missing", ["entities", "reads", "features"])
def test_a_view_of_nothing_is_refused(missing):
    with pytest.raises(ValidationError, match="at least 1 item"):
        view(**{missing: [] if missing == "entities" else {}})


def test_a_service_takes_all_of_a_view_or_one_feature_of_it():
    served = repository(service("weather:visib", "planes")).served("delay")
    assert [one.column for one in served] == ["weather__visib", "planes__wind", "planes__visib"]


def test_features_are_joined_by_view_in_order_of_first_mention():
    declared = repository(service("planes:wind", "weather:visib", "planes:visib"))
    assert {name: list(one.columns) for name, one in declared.joined("delay").items()} == {
        "planes": ["wind", "visib"],
        "weather": ["visib"],
    }
    assert declared.views_of("delay") == ("planes", "weather")


def test_a_view_is_joined_by_the_keys_of_its_entities():
    assert repository().keys("weather") == ("origin",)


def test_the_tables_below_a_service_are_listed_once():
    views = [view(reads={"hourly": "2h", "daily": "1d"}), view("planes", reads={"daily": "0d"})]
    declared = repository(service("planes", "weather"), views=views)
    assert list(tables_read(declared, "delay")) == ["daily", "hourly"]


@pytest.mark.parametrize(
    ("services", "views", "said", "field"),
    [
        (
            [service("wether")],
            None,
            "feature service 'delay' asks for the feature view 'wether'.*Did you mean 'weather'",
            ("services", "delay", "features", 0),
        ),
        (
            [service("planes", "weather:wid")],
            None,
            "feature service 'delay' asks for the feature of weather 'wid'.*Did you mean 'wind'",
            ("services", "delay", "features", 1),
        ),
        (
            [],
            [view(entities=["airport", "airprt"])],
            "feature view 'weather' asks for the entity 'airprt'.*Did you mean 'airport'",
            ("views", "weather", "entities", 1),
        ),
    ],
)  # fmt: skip
def test_a_name_that_does_not_resolve_is_refused_where_it_is_used(services, views, said, field):
    with pytest.raises(UnknownName, match=said) as refused:
        repository(*services, views=views)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("features", "index"),
    [
        (("weather", "weather:wind"), 1),
        (("weather:wind", "weather:wind"), 1),
        (("planes", "weather", "planes"), 2),
    ],
)
def test_a_feature_delivered_twice_is_refused(features, index):
    with pytest.raises(DeclarationError, match=r"'delay' delivers '.*__wind' twice; list it once") as refused:
        repository(service(*features))
    assert refused.value.field == ("services", "delay", "features", index)


def test_columns_of_two_views_that_would_have_one_name_are_refused():
    views = [
        view("a", features={"b__c": {"type": "number"}}),
        view("a__b", features={"c": {"type": "number"}}),
    ]
    with pytest.raises(DeclarationError, match="'a__b__c' twice"):
        repository(service("a", "a__b"), views=views)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (([AIRPORT, AIRPORT], [], []), "entity 'airport' is declared twice"),
        (([AIRPORT], [view(), view()], []), "feature view 'weather' is declared twice"),
        (([AIRPORT], [view()], [service("weather")] * 2), "feature service 'delay' is declared twice"),
    ],
)
def test_a_name_declared_twice_is_refused(parts, said):
    with pytest.raises(DeclarationError, match=said):
        FeatureRepository.of(*parts)


def test_an_unknown_service_is_refused_with_the_nearest_one():
    with pytest.raises(
        UnknownName, match=r"model 'late' asks for the feature service 'dely'.*'delay'"
    ) as refused:
        repository(service("weather")).service("dely", asked_by="model 'late'")
    assert refused.value.field == ("features",)


def test_a_served_feature_has_one_column_name():
    assert ServedFeature(view="a", feature="b", type="number").column == "a__b"
