"""How the platform says no."""

import inspect

import pytest

from mlops_assets import errors
from mlops_assets.errors import DeclarationError, MlopsError, UnknownName, nearest, outermost

ERRORS = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, Exception)]


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_of_one_tree_and_drawn_in_it(error):
    assert issubclass(error, MlopsError)
    assert error.__name__ in errors.__doc__


def test_an_unknown_name_says_who_asked_for_what_and_which_name_is_nearest():
    error = UnknownName.among(
        "wether", ["weather", "planes"], what="view", asked_by="service 'delay'", field=("a", 0)
    )
    assert str(error) == (
        "service 'delay' asks for the view 'wether', which does not exist. "
        "Did you mean 'weather'? Known: planes, weather."
    )
    assert isinstance(error, DeclarationError)
    assert error.field == ("a", 0)


def test_a_name_far_from_all_others_gets_no_guess():
    assert nearest("zzz", ["carrier"]) == "Known: carrier."


def test_of_many_known_names_the_first_twenty_are_shown():
    said = nearest("zzz", [f"name_{index:02}" for index in range(23)])
    assert "name_19" in said
    assert "name_20" not in said
    assert said.endswith("… and 3 more.")


def test_the_outermost_of_our_errors_is_found_below_a_librarys_and_above_one():
    def raised():
        try:
            try:
                raise ValueError("from a library")
            except ValueError as error:
                raise UnknownName("ours") from error
        except UnknownName as error:
            raise RuntimeError("wrapped") from error

    with pytest.raises(RuntimeError) as caught:
        raised()
    assert str(outermost(caught.value)) == "ours"
    assert outermost(ValueError("not ours")) is None
