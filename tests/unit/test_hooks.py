"""What is done before and after every request."""

from flask import Flask

from web import create_app


def test_no_blueprint_has_hooks_of_its_own() -> None:
    """They would not be called: the application goes through its own only."""
    app: Flask = create_app()
    for hooks in (
        app.url_value_preprocessors,
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
    ):
        assert {name for name, functions in hooks.items() if functions} <= {None}
