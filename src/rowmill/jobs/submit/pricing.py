"""What a model costs, from the price list that ships with ``genai-prices``."""

from dataclasses import replace
from decimal import Decimal

from rowmill.connections.store import Connections
from rowmill.core.errors import UsageError
from rowmill.core.job import Step
from rowmill.core.money import Price, nano
from rowmill.ledger.store import Store


def pinned(store: Store, step: Step, given: Price | None, budget: int | None) -> Step:
    """``step`` at its own price, the one given, or today's. Raises ``UsageError`` where ``budget`` cannot be kept."""
    price = step.price or given or price_of(store, step)
    if budget is not None and price is None:
        raise UsageError(
            f"The price of {step.config.get('model', step.name)} is not known, so that a budget cannot be kept.",
            "Give it in dollars per million tokens (--price IN,OUT, or price in the step).",
        )
    return replace(step, price=price)


def price_of(store: Store, step: Step) -> Price | None:
    """The price of the step's model today, in nano-dollars; ``None`` where it is not known.

    An embedded model costs nothing. Behind another base URL the list applies only where it knows that host.
    """
    if step.processor != "prompt":
        return None
    provider, model = step.config["provider"], step.config["model"]
    if provider == "local":
        return Price(0, 0)
    connection = Connections(store.database).named(step.connection) if step.connection else None
    base_url = connection.base_url if connection else (step.config.get("provider_config") or {}).get("base_url")
    return _listed(model, provider, base_url)


def _listed(model: str, provider: str, base_url: str | None) -> Price | None:
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - takes 0.2 s to load, and only a new job needs it

    def dollars(tokens_in: int, tokens_out: int) -> Decimal:
        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        if base_url:
            return calc_price(usage, model_ref=model, provider_api_url=base_url).total_price
        return calc_price(usage, model_ref=model, provider_id=provider).total_price

    try:
        # A thousand at a time: a longer context may cost more per token than rows ever do.
        return Price(nano(dollars(1000, 0) * 1000), nano(dollars(0, 1000) * 1000))
    except LookupError:
        return None
