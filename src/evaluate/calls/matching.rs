//! Which call answers which expected one.

/// Which row each column is matched to in a matching with as many pairs as possible (augmenting
/// paths: Kuhn, "The Hungarian Method", 1955, for 0/1 weights).
pub(super) fn best(
    rows: usize,
    columns: usize,
    fits: &dyn Fn(usize, usize) -> bool,
) -> Vec<Option<usize>> {
    fn augment(
        row: usize,
        fits: &dyn Fn(usize, usize) -> bool,
        seen: &mut [bool],
        matched: &mut [Option<usize>],
    ) -> bool {
        for column in 0..matched.len() {
            if !fits(row, column) || seen.get(column) != Some(&false) {
                continue;
            }
            if let Some(seen) = seen.get_mut(column) {
                *seen = true;
            }
            let free = match matched.get(column).copied().flatten() {
                None => true,
                Some(other) => augment(other, fits, seen, matched),
            };
            if let (true, Some(slot)) = (free, matched.get_mut(column)) {
                *slot = Some(row);
                return true;
            }
        }
        false
    }
    let mut matched = vec![None; columns];
    for row in 0..rows {
        augment(row, fits, &mut vec![false; columns], &mut matched);
    }
    matched
}

/// Pairs of row and column, the pair of the highest score first, each row and column once. Pairs
/// without a score cannot be.
pub(super) fn by_score(
    rows: usize,
    columns: usize,
    score: &dyn Fn(usize, usize) -> Option<u32>,
) -> Vec<(usize, usize)> {
    let mut scored: Vec<(u32, usize, usize)> = (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .filter_map(|(row, column)| Some((score(row, column)?, row, column)))
        .collect();
    scored.sort_by_key(|(score, row, column)| (std::cmp::Reverse(*score), *row, *column));
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (_, row, column) in scored {
        if !pairs.iter().any(|(r, c)| *r == row || *c == column) {
            pairs.push((row, column));
        }
    }
    pairs
}
