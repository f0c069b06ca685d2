-- Findings that a person judged to be no problem; void once the pair's content is another.
CREATE TABLE dismissals (
    example INTEGER NOT NULL REFERENCES examples(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,                 -- name of the kind of finding
    content_hash TEXT NOT NULL,         -- of the pair as it was judged
    made INTEGER NOT NULL,              -- Unix seconds
    PRIMARY KEY (example, kind)
) STRICT, WITHOUT ROWID;

-- What a base model makes of a pair; void once the pair's content is another.
CREATE TABLE measures (
    example INTEGER NOT NULL REFERENCES examples(id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    loss REAL,                          -- nats a trained token
    known REAL,                         -- share of sampled answers that were right, 0 to 1
    measured_at INTEGER NOT NULL,       -- Unix seconds
    content_hash TEXT NOT NULL,         -- of the pair as it was measured
    PRIMARY KEY (example, model)
) STRICT, WITHOUT ROWID;
