"""Tokens: made, listed, revoked."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from rowmill.core.errors import NotFound
from rowmill.core.messages import Message
from rowmill.http.access import ADMIN
from rowmill.http.answers import Answer
from rowmill.http.context import StoreDep
from rowmill.http.idempotency import Made, OnceDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import responses
from rowmill.shapes.base import Page
from rowmill.shapes.tokens import NewToken, Token
from rowmill.tokens import service as tokens
from rowmill.tokens.inputs import TokenInput
from rowmill.tokens.service import new_token_view, token_view
from rowmill.tokens.store import Tokens

router = APIRouter(prefix="/v1/tokens", tags=["tokens"])

TokenId = Annotated[str, Path(pattern=r"^tok_[a-z0-9]+$", max_length=100, description="The token's id.")]


@router.post(
    "",
    status_code=201,
    response_model=NewToken,
    dependencies=[ADMIN],
    responses=responses("idempotency_key_reused", "usage"),
)
def create_token(store: StoreDep, once: OnceDep, asked: TokenInput) -> Response:
    """Makes a token. The answer holds what must be sent, this once. From the first token on, nothing is answered
    without one."""

    def make(token_id: str) -> Made:
        token, clear = tokens.create(store, asked.name, asked.scope, token_id)
        return Made(new_token_view(token, clear))

    return once("tok", asked, make)


@router.get("", response_model=Page[Token], dependencies=[ADMIN], responses=responses("invalid_cursor"))
def list_tokens(store: StoreDep, limit: Limit = 50, cursor: Cursor = None) -> Answer:
    """Tokens, in the order of their ids."""
    pager = Pager("tokens")
    found = Tokens(store.database).page(pager.after(cursor, ""), limit + 1)
    return Answer(pager.page(found, limit, lambda token: token.id, token_view))


@router.delete(
    "/{token_id}",
    status_code=204,
    response_class=Response,
    dependencies=[ADMIN],
    responses=responses("not_found"),
)
def revoke_token(store: StoreDep, token_id: TokenId) -> None:
    """Revokes a token: from now on nothing is answered with it. One may revoke itself."""
    if not Tokens(store.database).drop(token_id):
        raise NotFound(Message.TOKEN_UNKNOWN, name=token_id)
