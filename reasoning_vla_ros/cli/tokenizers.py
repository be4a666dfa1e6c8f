"""Trajectory tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reasoning_vla_ros.cli.common import app, console, says_what_is_wrong

tokenizers_app = typer.Typer(help="Trajectory tokenizers.", no_args_is_help=True)
app.add_typer(tokenizers_app, name="tokenizers")


@tokenizers_app.command("list")
@says_what_is_wrong
def tokenizers_list(json: Annotated[Path | None, typer.Option(help="Write the names to this file.")] = None) -> None:
    """List action spaces, action tokenizers, fitted tokenizers and plugins; any space goes with any tokenizer."""
    from json import dumps

    from rich.table import Table
    from rich.text import Text

    from reasoning_vla_ros.tokenizers import available_tokenizers
    from reasoning_vla_ros.tokenizers.descriptions import describe_tokenizers

    for kind, lines in describe_tokenizers().items():
        table = Table(show_header=False, box=None)
        for name, line in (lines or {"none": ""}).items():
            table.add_row(Text(name, "cyan"), Text(line))
        console.print(f"[bold]{kind.replace('_', ' ')}[/bold]", table, "")
    if json is not None:
        json.write_text(dumps(available_tokenizers(), indent=2) + "\n")


Sources = Annotated[
    list[str],
    typer.Argument(help="Bags, .npz files, LeRobot folders, synthetic:driving[:count[:seed]] or synthetic:arms[…]."),
]
LoadOptions = Annotated[
    list[str] | None, typer.Option("--load", help="key=value for the loader, such as stride_s=0.2 or topic=/odom.")
]


@tokenizers_app.command("fit")
@says_what_is_wrong
def tokenizers_fit(
    sources: Sources,
    tokenizer: Annotated[str, typer.Option(help="An action space and an action tokenizer, such as path+klt.")],
    output: Annotated[Path, typer.Option(help="Folder to save it in; create_tokenizer and the node load it.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value for the tokenizer, such as num_tokens=16.")
    ] = None,
    load: LoadOptions = None,
    held_out: Annotated[float, typer.Option(help="Share of the data that is kept to measure with.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the fit and of what is held out.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Fit a tokenizer to trajectories, save it, and measure it on others."""
    from reasoning_vla_ros.datasets.tokenizer_specs import parse_arguments
    from reasoning_vla_ros.training import fit_tokenizer_command

    fit_tokenizer_command(
        sources,
        tokenizer,
        output,
        arguments=parse_arguments(set_ or ()),
        load_options=parse_arguments(load or ()),
        held_out=held_out,
        seed=seed,
        json_path=json,
        console=console,
    )


@tokenizers_app.command("compare")
@says_what_is_wrong
def tokenizers_compare(
    sources: Sources,
    tokenizer: Annotated[
        list[str] | None,
        typer.Option(
            help="space+tokenizer[,argument=value…], a fitted one's name or a saved folder; repeat for more. "
            "fit=false takes a pair as it is. Default: all that suit the data."
        ),
    ] = None,
    fit_source: Annotated[
        list[str] | None, typer.Option(help="What to fit to; repeat for more. Default: 80 % of the sources.")
    ] = None,
    load: LoadOptions = None,
    seed: Annotated[int, typer.Option(help="Of fits, random ids and of what is held out.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of PyTorch.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw tokens against error: .png, .svg or .pdf.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for comparison.json, .md, .png and the tokenizers that were fitted.")
    ] = None,
) -> None:
    """Compare tokenizers on trajectories: tokens, errors, smoothness, speed, and what bad ids do to them."""
    from reasoning_vla_ros.datasets.tokenizer_specs import parse_arguments
    from reasoning_vla_ros.evaluation.tokenizers import compare_command

    compare_command(
        sources,
        tokenizers=tokenizer or (),
        fit_sources=fit_source or (),
        load_options=parse_arguments(load or ()),
        seed=seed,
        threads=threads,
        json_path=json,
        plot_path=plot,
        output=output,
        console=console,
    )
