-- Passages that pairs are not to be written about.
ALTER TABLE passages ADD COLUMN excluded INTEGER NOT NULL DEFAULT 0 CHECK (excluded IN (0, 1));
-- What the last new version of a document changed.
CREATE TABLE document_changes (
    document INTEGER PRIMARY KEY REFERENCES documents(id) ON DELETE CASCADE,
    changes TEXT NOT NULL               -- JSON of DocumentChanges
) STRICT;
