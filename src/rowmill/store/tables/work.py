"""Datasets and jobs.

Untouched rows are ranges (``chunks``). A row gets a line of its own when it is in flight (``slots``), put off
(``deferred``) or settled (``outcomes``), and is in exactly one of these four at any moment. Imports and exports settle
whole ranges (``spans``).
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Text, text

from rowmill.store.tables.base import KEY, table

table(
    "engines",
    Column("id", String, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("joined_at", Float, nullable=False),
    clustered=True,
)

table(
    "datasets",
    Column("pk", KEY, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("columns", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("content_hash", String),
    Column("loader", String),  # the engine that is still filling it
    Column("created_at", Float, nullable=False),
    Column("named", Integer, nullable=False, server_default="0"),  # lasts until it is deleted
    Column("revision", BigInteger, nullable=False, server_default="1"),
    Column("stamp", BigInteger, nullable=False, server_default="0"),  # the last commit of results
    Column("schema", Text),
    Column("importer", BigInteger),  # the import that writes the next revision
    Column("profile", Text),  # and the revision that it shows
    Index("datasets_content", "content_hash"),
    Index("datasets_name", "name", unique=True, sqlite_where=text("named = 1"), postgresql_where=text("named = 1")),
)

table(
    "records",
    Column("dataset", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("revision", BigInteger, primary_key=True),  # of the dataset, that brought this version
    Column("superseded", BigInteger),  # the revision from which a later version stands
    Column("data", Text, nullable=False),  # a JSON array in the order of the dataset's columns
    clustered=True,
)

table(
    "keys",
    Column("dataset", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    # The import that saw the key last, and its line: an earlier line of the same import is superseded.
    Column("job", BigInteger, nullable=False),
    Column("line", BigInteger, nullable=False),
    clustered=True,
)

table(
    "results",  # succeeded outcomes as columns of a lasting dataset
    Column("dataset", BigInteger, primary_key=True),
    Column("record", BigInteger, primary_key=True),
    Column("stamp", BigInteger, primary_key=True),
    Column("job", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("input_hash", BigInteger, nullable=False),
    Index("results_job", "job"),
    clustered=True,
)

table(
    "jobs",
    Column("pk", KEY, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("type", String, nullable=False),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    Column("pause_reason", String),
    Column("wish", String),
    Column("wish_reason", String),
    Column("error", Text),
    Column("dismissed", Integer, nullable=False),
    Column("tolerated", String),
    Column("touched_only", Integer, nullable=False),
    Column("identity", String, nullable=False),
    Column("spec", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("delivered", String),
    Column("dataset", BigInteger, nullable=False),
    Column("first_record", BigInteger),  # job row 1 is this record; null: see selection
    Column("generation", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("succeeded", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("uncertain", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("revision", BigInteger, nullable=False, server_default="1"),  # of the dataset, as the job sees it
    Column("stamp", BigInteger, nullable=False, server_default="0"),  # the results that it sees
    Column("origin", BigInteger),  # the job that an export reads from
    Column("position", Text),  # how far a transfer has come, besides its counts
    Column("metadata", Text, nullable=False, server_default="{}"),  # a JSON object, the user's own
    Column("file", String),  # the upload that it reads from, or the download that it makes
    Column("detached", Integer, nullable=False, server_default="0"),  # left to whichever worker is there
    Column("deliverer", String),  # the worker that is to write its output file once it has completed
    Column("created", BigInteger, nullable=False, server_default="0"),
    Column("updated", BigInteger, nullable=False, server_default="0"),
    Column("unchanged", BigInteger, nullable=False, server_default="0"),
    Index("jobs_identity", "identity"),
    Index("jobs_dataset", "dataset"),
    Index("jobs_status", "status", "detached", "type"),
    Index(
        "jobs_file",
        "file",
        sqlite_where=text("file IS NOT NULL"),
        postgresql_where=text("file IS NOT NULL"),
    ),
    Index(
        "jobs_deliverer",
        "deliverer",
        sqlite_where=text("deliverer IS NOT NULL"),
        postgresql_where=text("deliverer IS NOT NULL"),
    ),
)

table(
    "selection",
    Column("job", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("record", BigInteger, nullable=False),
    clustered=True,
)

table(
    "executions",
    Column("job", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("engine", String, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("ended_as", String),
    Column("began_with", BigInteger, nullable=False),  # how many rows of the job were processed before
    Column("processed", BigInteger),  # how many it added, once it has ended
    # Two moments of the recent past and the job's count then: what the rate is taken from.
    Column("mark_at", Float, nullable=False),
    Column("mark_processed", BigInteger, nullable=False),
    Column("before_at", Float, nullable=False),
    Column("before_processed", BigInteger, nullable=False),
    Column("uncertain", BigInteger, nullable=False),
    Column("began_seq", BigInteger, nullable=False, server_default="0"),  # its outcomes come after
    clustered=True,
)

table(
    "claims",
    Column("job", BigInteger, primary_key=True),
    Column("generation", BigInteger, primary_key=True),
    Column("engine", String, nullable=False),
    # What it has in flight or may start, as counted against the month's usage limits: rows and nano-dollars.
    Column("held_rows", BigInteger, nullable=False, server_default="0"),
    Column("held_cost", BigInteger, nullable=False, server_default="0"),
    clustered=True,
)

table(
    "chunks",
    Column("job", BigInteger, primary_key=True),
    Column("hi", BigInteger, primary_key=True),
    Column("lo", BigInteger, nullable=False),
    Column("generation", BigInteger),  # the claim that holds it
    clustered=True,
)

table(
    "spans",  # rows of an import or export that went the same way; a line in outcomes overrules
    Column("job", BigInteger, primary_key=True),
    Column("lo", BigInteger, primary_key=True),
    Column("hi", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("code", String),
    Column("record", BigInteger),  # row lo is this record, the next row the next one
    clustered=True,
)

table(
    "slots",
    Column("job", BigInteger, primary_key=True),
    Column("generation", BigInteger, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("carried", Text),
    clustered=True,
)

table(
    "deferred",
    Column("job", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("due_at", Float, nullable=False),
    Column("generation", BigInteger, nullable=False),  # the claim that put it off and remembers it
    Column("step", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("carried", Text),
    Index("deferred_due", "job", "due_at", "number"),
    clustered=True,
)

table(
    "outcomes",
    Column("job", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("superseded", BigInteger),  # from this seq on it is no longer the row's outcome
    Column("status", String, nullable=False),
    Column("output", Text),
    # The attempt that settled the row, inline: first-try successes need no other line.
    Column("step", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("code", String),
    Column("message", Text),
    Column("tokens_in", Integer, nullable=False),
    Column("tokens_out", Integer, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Index(
        "outcomes_failed",
        "job",
        "number",
        sqlite_where=text("status = 'failed' AND superseded IS NULL"),
        postgresql_where=text("status = 'failed' AND superseded IS NULL"),
    ),
    clustered=True,
)

table(
    "attempts",
    Column("job", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("step", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("outcome", String, nullable=False),
    Column("code", String),
    Column("message", Text),
    Column("tokens_in", Integer, nullable=False),
    Column("tokens_out", Integer, nullable=False),
    Column("cost", BigInteger, nullable=False),
    clustered=True,
)

table(
    "limits",
    Column("key", String, primary_key=True),
    Column("requests_at", Float, nullable=False),  # when the next request may start
    Column("tokens_at", Float, nullable=False),
    Column("gate_until", Float, nullable=False),
    clustered=True,
)
