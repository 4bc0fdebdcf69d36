"""Answers as JSON."""

from fastapi.responses import JSONResponse

from rowmill.shapes.base import to_json


class Answer(JSONResponse):
    """A shape, or anything made of shapes and JSON, as it is: a route's ``response_model`` describes it to clients,
    but does not validate it again."""

    def render(self, content: object) -> bytes:
        return to_json(content)
