"""The bundled reviews, and the enrichment that ``rowmill demo`` runs over them."""

from importlib.resources import files
from importlib.resources.abc import Traversable

LABEL = "label"
"""The column that holds each review's true sentiment, which the model does not see."""

SYSTEM = (
    "You are a sentiment classifier for product reviews. "
    "Decide if the customer is satisfied (positive) or dissatisfied (negative)."
)
PROMPT = "{{review}}"
COLUMNS = ("sentiment: positive | negative",)


def reviews() -> Traversable:
    """The CSV file: ``id``, ``product``, ``review`` and ``label``; 120 reviews, half of them negative."""
    return files(__name__).joinpath("reviews.csv")
