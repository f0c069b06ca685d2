-- Rows of an import that was undone, with their keys, so that it can be redone. An edit that added
-- many rows at once names them as a range of keys (`{"rows":[7,9]}` in the place of a list of
-- changes); undoing moves the range here, redoing moves it back.
CREATE TABLE shelved (
    id INTEGER PRIMARY KEY,
    passage INTEGER,                    -- may be gone by the time the row comes back
    state TEXT NOT NULL CHECK (state IN ('draft', 'accepted', 'rejected')),
    body TEXT NOT NULL
) STRICT;
