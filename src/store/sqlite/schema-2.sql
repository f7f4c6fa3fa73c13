-- What was asked and answered, where the configuration says that it is kept.
CREATE TABLE texts (
    request TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;

CREATE INDEX texts_at ON texts (at);

-- What outcomes are remembered by, and what was forecast of the answer's length.
ALTER TABLE attempts ADD COLUMN kind TEXT;
ALTER TABLE attempts ADD COLUMN served TEXT;
ALTER TABLE attempts ADD COLUMN forecast INTEGER;
-- What an answer was worth as a number, where somebody gave one.
ALTER TABLE judgements ADD COLUMN quality REAL;
-- What an attempt was expected to cost, and how such forecasts compared with what was settled.
ALTER TABLE attempts ADD COLUMN predicted INTEGER;
ALTER TABLE sums ADD COLUMN foreseen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sums ADD COLUMN foreseen_predicted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sums ADD COLUMN foreseen_settled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sums ADD COLUMN foreseen_off INTEGER NOT NULL DEFAULT 0;
