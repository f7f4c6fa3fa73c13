-- Times are milliseconds since the Unix epoch, money is in nano-dollars, days are days since the epoch in the operator's
-- time zone. What is not known is NULL.

CREATE TABLE requests (
    request TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,
    caller TEXT NOT NULL,
    task TEXT NOT NULL,
    complexity REAL NOT NULL,
    input_tokens INTEGER NOT NULL,
    ruling TEXT NOT NULL,
    found TEXT NOT NULL,
    tier TEXT,
    backend TEXT,
    model TEXT,
    why TEXT NOT NULL,
    predicted INTEGER,
    ended INTEGER,
    outcome TEXT,
    reason TEXT,
    total_ms INTEGER,
    attempts INTEGER
) WITHOUT ROWID;
CREATE INDEX requests_at ON requests (at);

-- The ledger. A row without an end is on its way.
CREATE TABLE attempts (
    request TEXT NOT NULL,
    number INTEGER NOT NULL,
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,
    caller TEXT NOT NULL,
    task TEXT NOT NULL,
    tier TEXT NOT NULL,
    backend TEXT NOT NULL,
    model TEXT NOT NULL,
    reserved INTEGER NOT NULL,
    prices TEXT NOT NULL,
    ended INTEGER,
    day INTEGER,
    answered INTEGER,
    result TEXT,
    status INTEGER,
    delivered INTEGER,
    counts INTEGER,
    first_token_ms INTEGER,
    total_ms INTEGER,
    longest_pause_ms INTEGER,
    input INTEGER,
    cache_read INTEGER,
    cache_write INTEGER,
    cache_write_1h INTEGER,
    output INTEGER,
    reasoning INTEGER,
    cost INTEGER,
    basis TEXT,
    charged INTEGER,
    PRIMARY KEY (request, number)
) WITHOUT ROWID;
CREATE INDEX attempts_ended ON attempts (ended);
CREATE INDEX attempts_open ON attempts (owner) WHERE ended IS NULL;

-- Sums by hour and by day: the ledger's rows go after a while, these stay.
CREATE TABLE sums (
    period TEXT NOT NULL,
    start INTEGER NOT NULL,
    tier TEXT NOT NULL,
    backend TEXT NOT NULL,
    model TEXT NOT NULL,
    caller TEXT NOT NULL,
    task TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (period, start, tier, backend, model, caller, task)
) WITHOUT ROWID;

-- How often a time fell into which bucket, two buckets to a doubling: percentiles of any span of time.
CREATE TABLE times (
    period TEXT NOT NULL,
    start INTEGER NOT NULL,
    tier TEXT NOT NULL,
    backend TEXT NOT NULL,
    model TEXT NOT NULL,
    measure TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (period, start, tier, backend, model, measure, bucket)
) WITHOUT ROWID;

-- What rented machines cost by the minute. Two processes that watch the same machines write the same minute.
CREATE TABLE rented (
    minute INTEGER PRIMARY KEY,
    day INTEGER NOT NULL,
    amount INTEGER NOT NULL
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    target TEXT,
    what TEXT NOT NULL,
    request TEXT
);
CREATE INDEX audit_at ON audit (at);

-- What operators want and what is held back. `revision` grows with every change, so that other processes see it.
CREATE TABLE state (
    key TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE judgements (
    request TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    backend TEXT NOT NULL,
    model TEXT NOT NULL,
    judgement TEXT NOT NULL
) WITHOUT ROWID;

-- How much of each journal file is in here, in bytes.
CREATE TABLE journals (
    file TEXT PRIMARY KEY,
    folded INTEGER NOT NULL
) WITHOUT ROWID;
