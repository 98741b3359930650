"""Writes docs/parameters.md and conf/parameters.schema.json from the configuration models.

Usage: python docs_site/parameters.py (make docs-parameters); --check only says whether they are as
they should be.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from parameter_types import as_yaml, in_words
from pydantic import BaseModel, RootModel

from pmd_pipeline.config.engines import BACKENDS
from pmd_pipeline.config.experiment import ExperimentConfig

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "parameters.md"
SCHEMA = PROJECT / "conf" / "parameters.schema.json"

_HEAD = """\
# Every parameter

Made from the configuration's own descriptions by `make docs-parameters`; a test compares them. A
parameter is set in `conf/<environment>/parameters*.yml`, over those of `conf/base`, or for one run
with `kedro run --params training.lag=1`. What is misspelt or out of range is refused before
anything runs, with the key, the value found and the remedy.

An editor completes and checks these files with `conf/parameters.schema.json`; the first line of a
file names it:

```yaml
# yaml-language-server: $schema=../parameters.schema.json
```

A parameter without a default has to be set; `conf/base` sets all of them, and its value stands in
brackets.
"""

Model = type[BaseModel]


def page() -> str:
    """Return the reference of all parameters as Markdown."""
    parts = [_HEAD]
    fields = ExperimentConfig.model_fields
    simple = {name: field for name, field in fields.items() if not _models_in(field.annotation)}
    parts.append("## At the top\n")
    base = _of_conf_base()
    parts.append(_table(ExperimentConfig, simple, base))
    for name, field in fields.items():
        if name not in simple:
            parts += _section(name, _models_in(field.annotation), base.get(name), level=2)
    parts.append("## rollout_engine\n")
    parts.append(
        "Options of the catalog's entry `rollout_engine`, in `conf/<environment>/catalog*.yml`, "
        "below `options`, for each `backend`.\n"
    )
    for backend, model in BACKENDS.items():
        parts += _section(f"rollout_engine, backend: {backend}", (model,), None, level=3)
    return "\n".join(parts)


def schema() -> dict[str, Any]:
    """Return the JSON schema of a file of parameters: any of the sections, any of their keys.

    A file is laid over others, so nothing is required in it, parts of any kind are enough, and null
    takes away what is there.
    """
    whole = _loose(ExperimentConfig.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def _loose(node: Any) -> Any:
    if isinstance(node, list):
        return [_loose(each) for each in node]
    if not isinstance(node, dict):
        return node
    loose = {("anyOf" if k == "oneOf" else k): _loose(v) for k, v in node.items()}
    if "properties" in loose:
        loose.pop("required", None)
        is_variant = "kind" in loose["properties"]
        loose["properties"] = {
            name: _or_null(value) if is_variant or _is_section(value) else value
            for name, value in loose["properties"].items()
        }
    if isinstance(loose.get("additionalProperties"), dict):
        loose["additionalProperties"] = _or_null(loose["additionalProperties"])
    for pattern, value in loose.get("patternProperties", {}).items():
        loose["patternProperties"][pattern] = _or_null(value)
    return loose


def _is_section(schema: Mapping[str, Any]) -> bool:
    return "$ref" in schema or "anyOf" in schema or schema.get("type") == "object"


def _or_null(schema: Any) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _section(key: str, models: tuple[Model, ...], base: Any, *, level: int) -> Iterator[str]:
    """Yield the Markdown of a section of parameters, which is one of some models."""
    yield f"{'#' * level} {key}\n"
    for model in models:
        title = _kind_of(model)
        if len(models) > 1 or title:
            yield f"{'#' * (level + 1)} {key}, {_chooser(model)}: {title or model.__name__}\n"
        yield f"{_first_paragraph(model)}\n"
        inner = level + (2 if len(models) > 1 or title else 1)
        chosen = base if not isinstance(base, dict) or base.get("kind") in (None, title) else None
        yield from _fields(key, model, chosen, level=inner)


def _fields(key: str, model: Model, base: Any, *, level: int) -> Iterator[str]:
    if issubclass(model, RootModel):
        for inner in _models_in(model.model_fields["root"].annotation):
            yield from _section(f"{key}.<label>", (inner,), None, level=level)
        return
    left_out = {_chooser(model), *getattr(model, "decided_elsewhere", ())}
    fields = {name: field for name, field in model.model_fields.items() if name not in left_out}
    if fields:
        yield _table(model, fields, base)
    for name, field in fields.items():
        models = _models_in(field.annotation)
        if models and models not in _shown:
            _shown.add(models)
            inner_base = base.get(name) if isinstance(base, dict) else None
            name = f"{key.split(',')[0]}.{name}"
            yield from _section(name, models, inner_base, level=min(level, 6))


_shown: set[tuple[Model, ...]] = set()


def _table(model: Model, fields: Mapping[str, Any], base: Any = None) -> str:
    properties = model.model_json_schema()["properties"]
    rows = ["| parameter | type | default (conf/base) | meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields.items():
        cells = [
            f"`{name}`",
            _type(field.annotation, properties[name]),
            _default(field, properties[name], base.get(name) if isinstance(base, dict) else None),
            description_of(model, name),
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def description_of(model: Model, name: str) -> str:
    """Return what a field means: its own description, or its type's first sentence."""
    for ancestor in model.__mro__:
        field = getattr(ancestor, "model_fields", {}).get(name)
        if field is not None and field.description:
            return str(field.description)
    models = _models_in(model.model_fields[name].annotation)
    return _first_paragraph(models[0]) if len(models) == 1 else ""


def _type(annotation: Any, schema: Mapping[str, Any]) -> str:
    models = _models_in(annotation)
    words = in_words(schema)
    return words if models or words != "section" else "section"


def _default(field: Any, schema: Mapping[str, Any], in_base: Any) -> str:
    """Return the default, and in brackets what conf/base has instead of it."""
    value = schema.get("default")
    words = []
    if isinstance(field.default, BaseModel):
        words.append("its own")
    elif not field.is_required():
        words.append("none" if value in ({}, []) else f"`{as_yaml(value)}`")
    if in_base is not None and in_base != value and not isinstance(in_base, dict):
        words.append(f"(`{as_yaml(in_base)}`)")
    return " ".join(words)


def _of_conf_base() -> dict[str, Any]:
    files = sorted((PROJECT / "conf" / "base").glob("parameters*.yml"))
    return {k: v for f in files for k, v in yaml.safe_load(f.read_text("utf-8")).items()}


def _models_in(annotation: Any) -> tuple[Model, ...]:
    """Return the configuration models that an annotation names, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    found = [model for part in get_args(annotation) for model in _models_in(part)]
    return tuple(dict.fromkeys(found))


def _chooser(model: Model) -> str:
    """Return the key that chooses this model among several."""
    return "backend" if "backend" in model.model_fields else "kind"


def _kind_of(model: Model) -> str:
    kind = model.model_fields.get(_chooser(model))
    values = get_args(kind.annotation) if kind is not None else ()
    return str(values[0]) if len(values) == 1 else ""


def _first_paragraph(model: Model) -> str:
    text = (model.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")


def main() -> int:
    """Write both files, or with ``--check`` compare them; return the exit status."""
    wanted = {PAGE: page(), SCHEMA: json.dumps(schema(), indent=1) + "\n"}
    if "--check" not in sys.argv:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [
        str(path.relative_to(PROJECT))
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if stale:
        print(f"not as the configuration says: {', '.join(stale)}; run make docs-parameters")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
