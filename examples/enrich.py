"""A whole job from Python, without a server. Run it again: it goes on where it stopped, or has all results for free."""

from typing import Any

import rowmill


def measure(row: dict[str, Any]) -> dict[str, Any] | rowmill.Failed:
    """Two columns, or a failure with a code of our own."""
    if not row["review"]:
        return rowmill.Failed("no_review", "The review is empty.")
    return {"words": len(row["review"].split()), "exclaims": "!" in row["review"]}


if __name__ == "__main__":
    # For a model: prompt="Good or bad? {{review}}", model="openai/gpt-5-mini" in place of function.
    job = rowmill.enrich("reviews.csv", function=measure, output={"words": int, "exclaims": bool})
    for row in job.results():
        print(row["id"], row["words"], row["exclaims"], row["_error"])
