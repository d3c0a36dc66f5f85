"""The platform's own tables."""

import pytest
import sqlalchemy as sa

from mlops_assets.errors import OtherVersion
from mlops_assets.stores.database import open_database


def test_opening_twice_changes_nothing(database_url):
    open_database(database_url).dispose()
    open_database(database_url).dispose()


def test_tables_of_another_version_are_refused_by_name_before_anything_is_read(database_url):
    opened = open_database(database_url)
    with opened.begin() as connection:
        connection.execute(sa.text("ALTER TABLE release RENAME COLUMN run_id TO run"))
    opened.dispose()
    with pytest.raises(OtherVersion, match=r"table 'release' of .* has no column run_id"):
        open_database(database_url)
