"""What the service keeps beside datasets and jobs."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Text, text

from rowmill.store.tables.base import KEY, table

table(
    "events",  # what happened to jobs, in the transaction in which it did
    Column("seq", KEY, primary_key=True),
    Column("type", String, nullable=False),  # job.created, job.running …
    Column("job", String, nullable=False),  # the job's id, which outlives the job
    Column("job_type", String, nullable=False),
    Column("status", String, nullable=False),
    Column("pause_reason", String),
    Column("at", Float, nullable=False),
    Index("events_job", "job", "seq"),
)

table(
    "tokens",
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("hash", String, nullable=False, unique=True),  # SHA-256 of the token, which is stored nowhere
    Column("created_at", Float, nullable=False),
    Column("used_at", Float),
    clustered=True,
)

table(
    "connections",
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("provider", String, nullable=False),
    Column("base_url", String),
    Column("secret", Text),  # the key, encrypted
    Column("rpm", Integer),
    Column("tpm", Integer),
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    clustered=True,
)

table(
    "webhooks",
    Column("id", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("events", Text, nullable=False),  # a JSON array of event types; empty: all
    Column("secret", Text, nullable=False),  # encrypted
    Column("old_secret", Text),  # encrypted; signs, too, until it has expired
    Column("old_until", Float),
    Column("active", Integer, nullable=False),
    Column("after", BigInteger, nullable=False),  # the last event for which deliveries were made
    Column("revision", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    clustered=True,
)

table(
    "deliveries",
    Column("pk", KEY, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("webhook", String, nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("type", String, nullable=False),
    Column("payload", Text, nullable=False),  # the very bytes that are signed
    Column("status", String, nullable=False),  # pending, delivered, failed
    Column("tries", Integer, nullable=False),  # since it was made or last asked for again
    Column("due_at", Float),  # of the next try
    Column("sender", String),  # who is sending it at present
    Column("claimed_at", Float),  # when that began
    Column("created_at", Float, nullable=False),
    Index("deliveries_webhook", "webhook", "pk"),
    Index(
        "deliveries_sender",
        "sender",
        sqlite_where=text("sender IS NOT NULL"),
        postgresql_where=text("sender IS NOT NULL"),
    ),
    Index(
        "deliveries_due",
        "webhook",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
)

table(
    "delivery_attempts",
    Column("delivery", BigInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("http_status", Integer),
    Column("error", Text),
    clustered=True,
)

table(
    "usage",  # what calls used, added up in the transaction of the rows
    Column("day", String, primary_key=True),  # in UTC
    Column("model", String, primary_key=True),  # or the processor, where there is no model
    Column("job", String, primary_key=True),  # the job's id, which outlives the job
    Column("rows", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    clustered=True,
)

table(
    "usage_limits",
    Column("name", String, primary_key=True),  # rows_per_month, cost_per_month
    Column("amount", BigInteger, nullable=False),
    clustered=True,
)

table(
    "files",
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("size", BigInteger),  # null: not whole yet
    Column("sha256", String),
    Column("created_at", Float, nullable=False),
    clustered=True,
)

table(
    "requests",  # answers to requests with an Idempotency-Key
    Column("owner", String, primary_key=True),  # the token's id
    Column("key", String, primary_key=True),
    Column("digest", String, nullable=False),  # of method, path and body
    Column("resource", String, nullable=False),  # the id that what it makes will have, chosen beforehand
    Column("answer", Text),  # encrypted; null while it is being worked out
    Column("created_at", Float, nullable=False),
    clustered=True,
)
