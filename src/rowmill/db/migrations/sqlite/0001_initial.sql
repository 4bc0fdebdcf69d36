-- The schema of a Rowmill store in SQLite.
--
-- "Row" always means a row of a job; what SQL calls a row is called a line here. Times are Unix seconds, money is in
-- nano-dollars, booleans are 0 or 1, and JSON is text.
--
-- Most tables are WITHOUT ROWID: their lines are stored in the order of the key, those of one job next to each other.
-- The others number their lines with AUTOINCREMENT, so that the number of a deleted line is never used again.
--
-- CHECK constraints hold what the code promises. Their lists of values repeat the enums of the Python code; a test
-- compares the two. Tables with a line for every row have only constraints that cost nothing there.
--
-- There are no foreign keys: when a job is deleted, what belongs to it is removed afterwards in small steps, so that no
-- other process has to wait.


-- Workers ------------------------------------------------------------------------------------------------------------

CREATE TABLE engines (
    id        TEXT NOT NULL PRIMARY KEY,
    pid       INTEGER NOT NULL,
    joined_at REAL NOT NULL
) STRICT, WITHOUT ROWID;


-- Datasets -----------------------------------------------------------------------------------------------------------

CREATE TABLE datasets (
    pk           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    named        INTEGER NOT NULL DEFAULT 0 CHECK (named IN (0, 1)),  -- 1: kept until it is deleted
    columns      TEXT NOT NULL CHECK (json_valid(columns)),
    schema       TEXT CHECK (schema IS NULL OR json_valid(schema)),
    rows         INTEGER NOT NULL CHECK (rows >= 0),
    revision     INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 0),  -- 0: nothing has been imported yet
    result_version        INTEGER NOT NULL DEFAULT 0 CHECK (result_version >= 0),  -- of the newest commit of results
    content_hash TEXT,
    loader       TEXT,  -- the engine that is still filling it
    importer     INTEGER,  -- the import that writes the next revision
    profile      TEXT CHECK (profile IS NULL OR json_valid(profile)),  -- with the revision that it describes
    created_at   REAL NOT NULL
) STRICT;

CREATE INDEX datasets_content ON datasets (content_hash);
CREATE UNIQUE INDEX datasets_name ON datasets (name) WHERE named = 1;

CREATE TABLE records (
    dataset    INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    revision   INTEGER NOT NULL,  -- the dataset's revision that brought this version
    superseded INTEGER,  -- the revision from which a later version replaces this one
    data       TEXT NOT NULL,  -- a JSON array in the order of the dataset's columns
    PRIMARY KEY (dataset, number, revision)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    dataset INTEGER NOT NULL,
    key     TEXT NOT NULL,
    number  INTEGER NOT NULL,
    job     INTEGER NOT NULL,  -- the last import that contained the key
    line    INTEGER NOT NULL,  -- and its line there, which supersedes earlier ones
    PRIMARY KEY (dataset, key)
) STRICT, WITHOUT ROWID;

-- Succeeded outcomes as result columns of a named dataset.
CREATE TABLE results (
    dataset    INTEGER NOT NULL,
    record     INTEGER NOT NULL,
    result_version      INTEGER NOT NULL,
    job        INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    input_hash INTEGER NOT NULL,
    PRIMARY KEY (dataset, record, result_version)
) STRICT, WITHOUT ROWID;

CREATE INDEX results_job ON results (job);


-- Jobs ---------------------------------------------------------------------------------------------------------------

CREATE TABLE jobs (
    pk           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    type         TEXT NOT NULL CHECK (type IN ('import', 'enrichment', 'export')),
    name         TEXT NOT NULL,

    status       TEXT NOT NULL CHECK (status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
    pause_reason TEXT CHECK (pause_reason IN ('user', 'usage_limit', 'budget', 'rate_limit', 'failure_spike')),
    requested_action         TEXT CHECK (requested_action IN ('pause', 'cancel')),  -- requested, and not carried out by the engine yet
    requested_reason  TEXT CHECK (requested_reason IN ('user', 'usage_limit', 'budget', 'rate_limit', 'failure_spike')),
    error        TEXT CHECK (error IS NULL OR json_valid(error)),
    dismissed    INTEGER NOT NULL CHECK (dismissed IN (0, 1)),
    tolerated    TEXT,  -- the error code of the last failure spike, which does not pause the job again
    touched_only INTEGER NOT NULL CHECK (touched_only IN (0, 1)),  -- 1: rows that were never started are not worked
    detached     INTEGER NOT NULL DEFAULT 0 CHECK (detached IN (0, 1)),  -- 1: any worker may take it up
    output_owner    TEXT,  -- the worker that writes its output file when it has completed
    generation   INTEGER NOT NULL CHECK (generation >= 0),  -- of the newest claim
    seq          INTEGER NOT NULL CHECK (seq >= 0),  -- of the newest commit

    total        INTEGER CHECK (total >= 0),  -- null until it is known
    succeeded    INTEGER NOT NULL CHECK (succeeded >= 0),
    failed       INTEGER NOT NULL CHECK (failed >= 0),
    skipped      INTEGER NOT NULL CHECK (skipped >= 0),
    created      INTEGER NOT NULL DEFAULT 0 CHECK (created >= 0),
    updated      INTEGER NOT NULL DEFAULT 0 CHECK (updated >= 0),
    unchanged    INTEGER NOT NULL DEFAULT 0 CHECK (unchanged >= 0),
    uncertain    INTEGER NOT NULL CHECK (uncertain >= 0),
    tokens_in    INTEGER NOT NULL CHECK (tokens_in >= 0),
    tokens_out   INTEGER NOT NULL CHECK (tokens_out >= 0),
    cost         INTEGER NOT NULL CHECK (cost >= 0),

    identity     TEXT NOT NULL,  -- the same for a run of the same input with the same steps
    dataset      INTEGER NOT NULL,
    revision     INTEGER NOT NULL DEFAULT 1 CHECK (revision >= 0),  -- of the dataset, as the job sees it
    result_version        INTEGER NOT NULL DEFAULT 0 CHECK (result_version >= 0),  -- of the newest results that it sees
    first_record INTEGER,  -- row 1 is this record, and so on; null: see selection
    origin       INTEGER,  -- the job that an export reads from
    file         TEXT,  -- the upload that it reads, or the download that it makes
    delivered    TEXT,  -- identifies the output file as it was last written
    spec         TEXT NOT NULL CHECK (json_valid(spec)),
    settings     TEXT NOT NULL CHECK (json_valid(settings)),
    position     TEXT CHECK (position IS NULL OR json_valid(position)),  -- how far an import or export has come
    metadata     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),  -- the user's own

    created_at   REAL NOT NULL,
    started_at   REAL,
    finished_at  REAL,

    CHECK ((status = 'paused') = (pause_reason IS NOT NULL)),
    CHECK ((status IN ('completed', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK (requested_action IS NULL OR status = 'running'),
    -- A pause has a reason. A cancel may have one: that of a pause that was asked for after it.
    CHECK (requested_action <> 'pause' OR requested_reason IS NOT NULL),
    CHECK (requested_action IS NOT NULL OR requested_reason IS NULL),
    CHECK (succeeded + failed + skipped <= total),
    CHECK (status <> 'completed' OR succeeded + failed + skipped = total)
) STRICT;

CREATE INDEX jobs_identity ON jobs (identity);
CREATE INDEX jobs_dataset ON jobs (dataset);
CREATE INDEX jobs_status ON jobs (status, detached, type);
CREATE INDEX jobs_file ON jobs (file) WHERE file IS NOT NULL;
CREATE INDEX jobs_deliverer ON jobs (output_owner) WHERE output_owner IS NOT NULL;

-- The record behind each row, for jobs whose rows are not one range of records.
CREATE TABLE selection (
    job    INTEGER NOT NULL,
    number INTEGER NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

-- One stretch of work between a claim and the next stop.
CREATE TABLE executions (
    job              INTEGER NOT NULL,
    number           INTEGER NOT NULL CHECK (number > 0),
    engine           TEXT NOT NULL,
    started_at       REAL NOT NULL,
    finished_at      REAL,
    ended_as         TEXT CHECK (ended_as IN ('pending', 'paused', 'completed', 'failed', 'cancelled', 'crashed')),
    began_with       INTEGER NOT NULL CHECK (began_with >= 0),  -- the job's processed rows when it began
    began_seq        INTEGER NOT NULL DEFAULT 0 CHECK (began_seq >= 0),  -- its outcomes have a higher seq
    processed        INTEGER,  -- rows that it added, once it has ended; below zero if an export began anew
    -- Two recent moments, with the job's processed rows at each: the rate comes from these.
    mark_at          REAL NOT NULL,
    mark_processed   INTEGER NOT NULL CHECK (mark_processed >= 0),
    rate_sample_at        REAL NOT NULL,
    rate_sample_processed INTEGER NOT NULL CHECK (rate_sample_processed >= 0),
    uncertain        INTEGER NOT NULL CHECK (uncertain >= 0),
    PRIMARY KEY (job, number),
    CHECK ((finished_at IS NULL) = (ended_as IS NULL))
) STRICT, WITHOUT ROWID;

-- A job has one claim at most: of two engines that claim it at once, one is refused.
CREATE TABLE claims (
    job        INTEGER NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL CHECK (generation > 0),
    engine     TEXT NOT NULL,
    -- What it has in flight or may start, counted against the month's usage limits.
    held_rows  INTEGER NOT NULL DEFAULT 0 CHECK (held_rows >= 0),
    held_cost  INTEGER NOT NULL DEFAULT 0 CHECK (held_cost >= 0)
) STRICT, WITHOUT ROWID;


-- A job's rows -------------------------------------------------------------------------------------------------------
--
-- A row that was never started is part of a range (chunks). It gets a line of its own when it is in flight (slots),
-- waits to be tried again (deferred) or is settled (outcomes), and is in exactly one of these four at any moment.
-- Imports and exports settle whole ranges (spans); a line in outcomes overrides them.

CREATE TABLE chunks (
    job        INTEGER NOT NULL,
    hi         INTEGER NOT NULL,
    lo         INTEGER NOT NULL CHECK (lo > 0),
    generation INTEGER CHECK (generation > 0),  -- of the claim that holds it
    PRIMARY KEY (job, hi),
    CHECK (lo <= hi)
) STRICT, WITHOUT ROWID;

CREATE TABLE slots (
    job        INTEGER NOT NULL,
    generation INTEGER NOT NULL CHECK (generation > 0),
    slot       INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    step       INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    crashes    INTEGER NOT NULL,
    carried    TEXT,  -- the outputs of earlier steps, a JSON object
    PRIMARY KEY (job, generation, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE deferred (
    job        INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    due_at     REAL NOT NULL,
    generation INTEGER NOT NULL CHECK (generation > 0),  -- of the claim that put it off
    step       INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    crashes    INTEGER NOT NULL,
    carried    TEXT,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX deferred_due ON deferred (job, due_at, number);

CREATE TABLE outcomes (
    job        INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    superseded INTEGER,  -- the seq from which it is no longer the row's outcome
    -- OR and not IN, for which SQLite builds an index of the list at each insert: that takes a quarter longer.
    status     TEXT NOT NULL CHECK (status = 'succeeded' OR status = 'failed' OR status = 'skipped'),
    output     TEXT,  -- a JSON object
    -- The attempt that settled the row: one that succeeds at the first try needs no other line.
    step       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    started_at REAL NOT NULL,
    duration   REAL NOT NULL,
    code       TEXT,
    message    TEXT,
    tokens_in  INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    cost       INTEGER NOT NULL,
    usage      TEXT,  -- a JSON object: what is known beyond tokens in and out
    PRIMARY KEY (job, number, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX outcomes_failed ON outcomes (job, number) WHERE status = 'failed' AND superseded IS NULL;

CREATE TABLE attempts (
    job        INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    step       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    started_at REAL NOT NULL,
    duration   REAL NOT NULL,
    outcome    TEXT NOT NULL,
    code       TEXT,
    message    TEXT,
    tokens_in  INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    cost       INTEGER NOT NULL,
    usage      TEXT,  -- a JSON object: what is known beyond tokens in and out
    PRIMARY KEY (job, number, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE spans (
    job    INTEGER NOT NULL,
    lo     INTEGER NOT NULL CHECK (lo > 0),
    hi     INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('succeeded', 'skipped')),
    code   TEXT,
    record INTEGER,  -- row lo is this record, the next row the next one
    PRIMARY KEY (job, lo),
    CHECK (lo <= hi)
) STRICT, WITHOUT ROWID;


-- Rate limits and usage ----------------------------------------------------------------------------------------------

-- One line per connection key, shared by all processes.
CREATE TABLE limits (
    key         TEXT NOT NULL PRIMARY KEY,
    requests_at REAL NOT NULL,  -- when the next request may start
    tokens_at   REAL NOT NULL,
    gate_until  REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What calls have used, added up in the transaction that saves their rows.
CREATE TABLE usage (
    day        TEXT NOT NULL,  -- in UTC
    model      TEXT NOT NULL,  -- or the processor, where there is no model
    job        TEXT NOT NULL,  -- the job's id; usage is kept when the job is deleted
    rows       INTEGER NOT NULL CHECK (rows >= 0),
    attempts   INTEGER NOT NULL CHECK (attempts >= 0),
    tokens_in  INTEGER NOT NULL CHECK (tokens_in >= 0),
    tokens_out INTEGER NOT NULL CHECK (tokens_out >= 0),
    cost       INTEGER NOT NULL CHECK (cost >= 0),
    PRIMARY KEY (day, model, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_limits (
    name   TEXT NOT NULL PRIMARY KEY CHECK (name IN ('rows_per_month', 'cost_per_month')),
    amount INTEGER NOT NULL CHECK (amount >= 0)
) STRICT, WITHOUT ROWID;


-- Events and webhooks ------------------------------------------------------------------------------------------------

-- What happened to jobs, written in the transaction in which it happened.
CREATE TABLE events (
    seq          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    type         TEXT NOT NULL CHECK (type IN (
                     'job.created', 'job.pending', 'job.running', 'job.paused', 'job.completed', 'job.failed',
                     'job.cancelled', 'job.deleted')),
    job          TEXT NOT NULL,  -- the job's id; events are kept when the job is deleted
    job_type     TEXT NOT NULL CHECK (job_type IN ('import', 'enrichment', 'export')),
    status       TEXT NOT NULL CHECK (status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
    pause_reason TEXT CHECK (pause_reason IN ('user', 'usage_limit', 'budget', 'rate_limit', 'failure_spike')),
    at           REAL NOT NULL,
    CHECK ((status = 'paused') = (pause_reason IS NOT NULL))
) STRICT;

CREATE INDEX events_job ON events (job, seq);

CREATE TABLE webhooks (
    id         TEXT NOT NULL PRIMARY KEY,
    url        TEXT NOT NULL,
    events     TEXT NOT NULL CHECK (json_valid(events)),  -- the event types that it receives; []: all
    secret     TEXT NOT NULL,  -- encrypted
    old_secret TEXT,  -- encrypted; also signs until old_until
    old_until  REAL,
    active     INTEGER NOT NULL CHECK (active IN (0, 1)),
    after      INTEGER NOT NULL CHECK (after >= 0),  -- the last event for which deliveries were made
    revision   INTEGER NOT NULL CHECK (revision > 0),
    created_at REAL NOT NULL,
    CHECK ((old_secret IS NULL) = (old_until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    pk         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    webhook    TEXT NOT NULL,
    event      INTEGER NOT NULL CHECK (event >= 0),  -- 0: a test, without an event
    type       TEXT NOT NULL,
    payload    TEXT NOT NULL,  -- exactly the text that is signed and sent
    status     TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
    tries      INTEGER NOT NULL CHECK (tries >= 0),  -- since it was created or last redelivered
    due_at     REAL,  -- of the next try
    sender     TEXT,  -- who is sending it right now
    claimed_at REAL,  -- since when
    created_at REAL NOT NULL,
    CHECK ((status = 'pending') = (due_at IS NOT NULL)),
    CHECK (sender IS NULL OR (status = 'pending' AND claimed_at IS NOT NULL))
) STRICT;

CREATE INDEX deliveries_webhook ON deliveries (webhook, pk);
CREATE INDEX deliveries_sender ON deliveries (sender) WHERE sender IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (webhook, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE delivery_attempts (
    delivery    INTEGER NOT NULL,
    number      INTEGER NOT NULL CHECK (number > 0),
    at          REAL NOT NULL,
    duration    REAL NOT NULL,
    http_status INTEGER,
    error       TEXT,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;


-- Access, connections, files -----------------------------------------------------------------------------------------

CREATE TABLE tokens (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL CHECK (scope IN ('read', 'run', 'admin')),
    hash       TEXT NOT NULL UNIQUE,  -- SHA-256 of the token, which itself is not stored
    created_at REAL NOT NULL,
    used_at    REAL
) STRICT, WITHOUT ROWID;

CREATE TABLE connections (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    provider   TEXT NOT NULL,
    base_url   TEXT,
    secret     TEXT,  -- the key, encrypted
    rpm        INTEGER CHECK (rpm > 0),
    tpm        INTEGER CHECK (tpm > 0),
    revision   INTEGER NOT NULL CHECK (revision > 0),
    created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Uploads and downloads. Size and hash are null until the content is complete.
CREATE TABLE files (
    id         TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    size       INTEGER CHECK (size >= 0),
    sha256     TEXT,
    created_at REAL NOT NULL,
    CHECK ((size IS NULL) = (sha256 IS NULL))
) STRICT, WITHOUT ROWID;

-- Answers to requests with an Idempotency-Key.
CREATE TABLE requests (
    owner      TEXT NOT NULL,  -- the token's id
    key        TEXT NOT NULL,
    digest     TEXT NOT NULL,  -- of method, path and body
    resource   TEXT NOT NULL,  -- the id of what it creates, chosen beforehand
    answer     TEXT,  -- encrypted; null while the request is being worked on
    created_at REAL NOT NULL,
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
