CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,          -- file name, NFC
    sha256 TEXT NOT NULL UNIQUE,        -- of the file, hexadecimal
    added INTEGER NOT NULL              -- Unix seconds
) STRICT;

CREATE TABLE pages (
    document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    number INTEGER NOT NULL,            -- from 1
    text TEXT NOT NULL,
    flags TEXT NOT NULL,                -- JSON list of PageFlag
    PRIMARY KEY (document, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,          -- order in the document, from 0
    page INTEGER NOT NULL,
    span_start INTEGER NOT NULL,        -- characters of the page's text
    span_end INTEGER NOT NULL,
    context TEXT NOT NULL,              -- JSON list of headings, outermost first
    text TEXT NOT NULL,
    UNIQUE (document, position)
) STRICT;

CREATE TABLE examples (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    passage INTEGER REFERENCES passages(id) ON DELETE SET NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'accepted', 'rejected')),
    body TEXT NOT NULL                  -- canonical example, JSON
) STRICT;
CREATE INDEX examples_by_passage ON examples(passage);

-- What was done to examples and how to take it back. Positions count from 1 without gaps; those
-- above `done` in `history` were undone and can be redone.
CREATE TABLE edits (
    position INTEGER PRIMARY KEY,
    summary TEXT NOT NULL,
    forward TEXT NOT NULL,              -- JSON list of changes
    backward TEXT NOT NULL,             -- JSON list of changes, in the order to make them
    made INTEGER NOT NULL               -- Unix seconds
) STRICT;
CREATE TABLE history (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    done INTEGER NOT NULL
) STRICT;
INSERT INTO history VALUES (1, 0);

CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE runs (number INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
CREATE TABLE evaluations (id INTEGER PRIMARY KEY, result TEXT NOT NULL) STRICT;
CREATE TABLE unsent (key TEXT PRIMARY KEY, text TEXT NOT NULL, saved INTEGER NOT NULL) STRICT;
