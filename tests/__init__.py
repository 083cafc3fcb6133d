import pkgutil

import pytest

# What helpers assert says what was found too, not only what a test's own file asserts.
pytest.register_assert_rewrite(*(module.name for module in pkgutil.iter_modules(__path__, "tests.")))
