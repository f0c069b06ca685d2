//! Which tiles of 64 tokens see each other, so that attention works on no others.

use std::ops::Range;

use crate::engine::pack::{self, Packed, Segment};

/// Tokens of a tile.
pub(super) const TILE: usize = 64;

/// Set in an entry whose tiles see each other whole.
const WHOLE: u32 = 1 << 31;

/// For each tile the tiles it has to do with: `starts[tile]..starts[tile + 1]` in `list`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lists {
    pub(super) starts: Vec<u32>,
    pub(super) list: Vec<u32>,
}

/// Lists of the keys for each tile of queries, and of the queries for each tile of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Tiles {
    pub(super) keys: Lists,
    pub(super) queries: Lists,
}

/// For each two adjacent tiles, a pair, the tiles that either has to do with, in rising order: the tile's number, and from
/// bit 28 on two bits for each half of the pair, 0 where it sees nothing of the tile, 1 some and 3 all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pairs {
    /// The pairs, those with the longest lists first.
    pub(super) order: Vec<u32>,
    pub(super) lists: Lists,
}

impl Lists {
    fn of(&self, tile: usize) -> &[u32] {
        match (self.starts.get(tile), self.starts.get(tile + 1)) {
            (Some(start), Some(end)) => &self.list[*start as usize..*end as usize],
            _ => &[],
        }
    }

    /// The same by pairs of tiles.
    pub(super) fn paired(&self) -> Pairs {
        let tiles = self.starts.len().saturating_sub(1);
        let mut lists = Lists { starts: vec![0], list: Vec::new() };
        for pair in 0..tiles.div_ceil(2) {
            let mut halves = [0, 1].map(|half| self.of(2 * pair + half).iter().peekable());
            loop {
                let heads = halves.each_mut().map(|half| half.peek().map(|entry| **entry & !WHOLE));
                let Some(tile) = heads.into_iter().flatten().min() else { break };
                let mut entry = tile;
                for (half, list) in halves.iter_mut().enumerate() {
                    if let Some(seen) = list.next_if(|entry| **entry & !WHOLE == tile) {
                        let sees = if seen & WHOLE == 0 { 1 } else { 3 };
                        entry |= sees << (28 + 2 * half);
                    }
                }
                lists.list.push(entry);
            }
            lists.starts.push(lists.list.len() as u32);
        }
        let mut order: Vec<u32> = (0..tiles.div_ceil(2) as u32).collect();
        order.sort_by_key(|pair| std::cmp::Reverse(lists.of(*pair as usize).len()));
        Pairs { order, lists }
    }
}

/// Entries that a list of `tokens` tokens has at most.
pub(super) fn entries(tokens: usize) -> usize {
    let tiles = tokens.div_ceil(TILE);
    tiles * (tiles + 1) / 2
}

/// For each token, one past the last token that may see it.
pub(super) fn ends(packed: &Packed) -> Vec<u32> {
    let mut ends = vec![0; packed.tokens()];
    for (segment, end) in packed.segments.iter().zip(pack::ends(&packed.segments)) {
        ends[segment.own.clone()].fill(end as u32);
    }
    ends
}

/// The keys that a query of a segment sees.
fn seen(
    segments: &[Segment],
    index: usize,
    query: usize,
    window: usize,
) -> impl Iterator<Item = Range<usize>> {
    let mut left = window;
    pack::upwards(segments, index).map(move |segment| {
        let end = segment.own.end.min(query + 1);
        let first = end.saturating_sub(left).max(segment.own.start);
        left -= end - first;
        first..end
    })
}

/// Tiles for a layer whose tokens see `window` tokens, themselves included.
pub(super) fn tiles(packed: &Packed, window: usize) -> Tiles {
    let count = packed.tokens().div_ceil(TILE);
    // How many pairs of two tiles see each other, for one tile of queries at a time.
    let mut pairs = vec![0u32; count];
    let (mut keys, mut queries) = (Lists::default(), vec![Vec::new(); count]);
    keys.starts.push(0);
    let segments = &packed.segments;
    let mut parts = segments.iter().enumerate().peekable();
    for tile in 0..count {
        let (start, end) = (tile * TILE, ((tile + 1) * TILE).min(packed.tokens()));
        pairs.fill(0);
        let mut query = start;
        while query < end {
            while parts.peek().is_some_and(|(_, segment)| segment.own.end <= query) {
                parts.next();
            }
            let Some((index, _)) = parts.peek() else { break };
            for range in seen(segments, *index, query, window) {
                let mut at = range.start;
                while at < range.end {
                    let next = (at / TILE + 1) * TILE;
                    pairs[at / TILE] += (next.min(range.end) - at) as u32;
                    at = next;
                }
            }
            query += 1;
        }
        for (other, pairs) in pairs.iter().enumerate().filter(|(_, pairs)| **pairs > 0) {
            let whole = if *pairs as usize == TILE * TILE { WHOLE } else { 0 };
            keys.list.push(other as u32 | whole);
            queries[other].push(tile as u32 | whole);
        }
        keys.starts.push(keys.list.len() as u32);
    }
    let mut turned = Lists::default();
    turned.starts.push(0);
    for list in queries {
        turned.list.extend(list);
        turned.starts.push(turned.list.len() as u32);
    }
    Tiles { keys, queries: turned }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pack::{Packed, Row, pack, pack_nested, upwards};

    /// Pairs of tokens that see each other, counted one by one from positions and ends as a kernel has them.
    #[test]
    fn tiles_hold_all_pairs_that_see_each_other() {
        let row = |first: u32, shared: usize, len: usize| Row {
            ids: (0..len)
                .map(|i| if i < shared { i as u32 % 7 } else { first + i as u32 })
                .collect(),
            labels: (0..len).map(|i| i > shared).collect(),
        };
        let rows = [
            row(10, 90, 200),
            row(500, 90, 150),
            row(900, 90, 95),
            row(2000, 0, 33),
            row(3000, 0, 2),
        ];
        let deeper = |from: &Row, shared: usize, first: u32, len: usize| {
            let mut row = row(first, 0, len);
            row.ids[..shared].copy_from_slice(&from.ids[..shared]);
            row
        };
        let mut tree = rows.to_vec();
        tree.extend([deeper(&rows[0], 170, 5000, 260), deeper(&rows[1], 100, 6000, 111)]);
        let [shared, apart] = [true, false].map(|share| pack(&rows, 1000, share).swap_remove(0));
        let nested = pack_nested(&tree, 1000).swap_remove(0);
        let depth = |packed: &Packed| {
            (0..packed.segments.len()).map(|index| upwards(&packed.segments, index).count()).max()
        };
        assert_eq!([&apart, &shared, &nested].map(depth), [Some(1), Some(2), Some(3)]);
        let cases = [
            (usize::MAX, &shared),
            (70, &shared),
            (9, &shared),
            (usize::MAX, &apart),
            (usize::MAX, &nested),
            (70, &nested),
        ];
        for (window, packed) in cases {
            let (tiles, ends) = (tiles(packed, window), ends(packed));
            let count = packed.tokens().div_ceil(TILE);
            let mut want = vec![vec![0usize; count]; count];
            for query in 0..packed.tokens() {
                for key in 0..=query {
                    let apart = packed.positions[query].wrapping_sub(packed.positions[key]) as i32;
                    let near = i64::from(apart) < window.min(1 << 30) as i64;
                    if query < ends[key] as usize && near {
                        want[query / TILE][key / TILE] += 1;
                    }
                }
            }
            for (query, want) in want.iter().enumerate() {
                let list = |lists: &Lists, tile: usize| {
                    lists.list[lists.starts[tile] as usize..lists.starts[tile + 1] as usize]
                        .to_vec()
                };
                let mut expected = Vec::new();
                for (key, want) in want.iter().enumerate() {
                    let whole = if *want == TILE * TILE { WHOLE } else { 0 };
                    let turned = list(&tiles.queries, key);
                    assert_eq!(turned.contains(&(query as u32 | whole)), *want > 0);
                    if *want > 0 {
                        expected.push(key as u32 | whole);
                    }
                }
                assert_eq!(list(&tiles.keys, query), expected);
            }
            assert!(tiles.keys.list.len() <= entries(packed.tokens()));
            for lists in [&tiles.keys, &tiles.queries] {
                tells_the_same(lists, &lists.paired(), count);
            }
        }
    }

    fn tells_the_same(lists: &Lists, pairs: &Pairs, tiles: usize) {
        assert_eq!(pairs.lists.starts.len(), tiles.div_ceil(2) + 1);
        assert!(pairs.lists.list.len() <= lists.list.len());
        for tile in 0..tiles {
            let both = pairs.lists.of(tile / 2);
            assert!(both.iter().map(|entry| entry & 0x0fff_ffff).is_sorted_by(|a, b| a < b));
            let apart = |entry: &u32| match entry >> (28 + 2 * (tile % 2)) & 3 {
                0 => None,
                1 => Some(entry & 0x0fff_ffff),
                3 => Some(entry & 0x0fff_ffff | WHOLE),
                other => panic!("{other}"),
            };
            let own: Vec<u32> = both.iter().filter_map(apart).collect();
            assert_eq!(own, lists.of(tile));
        }
        let lens = |pair: &u32| pairs.lists.of(*pair as usize).len();
        assert!(pairs.order.iter().map(lens).is_sorted_by(|a, b| a >= b));
        let mut all = pairs.order.clone();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..tiles.div_ceil(2) as u32));
    }
}
