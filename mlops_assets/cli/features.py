"""``mlops features …``: what is known of feature views and services, and what is done with them."""

import typer

features = typer.Typer(help="Feature views and services.", no_args_is_help=True)
