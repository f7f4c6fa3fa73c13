-- What was asked and answered, where the configuration says that it is kept.
CREATE TABLE texts (
    request TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;

CREATE INDEX texts_at ON texts (at);
