"""What every part of a configuration has in common."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, field_validator


class Section(BaseModel):
    """A part of the configuration: immutable, and strict about unknown keys, empty text and true for 1."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: Any) -> Any:
        kinds = set(_kinds(cls.model_fields[str(info.field_name)].annotation))
        if isinstance(value, bool) != (bool in kinds) and isinstance(value, bool | int | float | str):
            if bool in kinds and not any(isinstance(kind, str) for kind in kinds):  # nor a word beside it
                raise ValueError("use true or false")
            if kinds & {int, float}:
                raise ValueError("use a whole number" if int in kinds else "use a number")
        if isinstance(value, str) and (not value or (value.isspace() and info.field_name != "separator")):
            raise ValueError("the text is empty: write some, or leave the key out")
        return value


def _kinds(annotation: Any) -> list[Any]:
    return [annotation, *(kind for argument in get_args(annotation) for kind in _kinds(argument))]
