//! Guesses at what comes next, from what was read and said before: answers quote their prompts, and calls, code and
//! lists repeat themselves.
//!
//! A guess costs a few rows beside the one that is read anyway, whose weights come from memory once for all of them.
//! What is said does not depend on it: each guessed token is compared with the one that comes from its
//! predecessors, and what was guessed wrong is forgotten.

/// Last tokens that must have been there before in the same order, where the last guess was right and where not.
const ALIKE: [usize; 2] = [2, 4];

/// More of them are not looked at.
const ALIKE_MAX: usize = 16;

/// Tokens guessed at the most: with the one before them as many as products take at once.
const GUESSED_MAX: usize = 3;

/// What followed where the last tokens were before, the longest such place and of these the last; at most `most` tokens.
pub(super) fn guess(before: &[u32], was_right: bool, most: usize) -> &[u32] {
    let most = most.min(GUESSED_MAX);
    let least = ALIKE[usize::from(!was_right)];
    let Some((last, earlier)) = before.split_last() else { return &[] };
    let mut found = (least - 1, 0);
    if most > 0 {
        for end in (1..=earlier.len()).rev().filter(|end| earlier[end - 1] == *last) {
            let alike = before.iter().rev().zip(before[..end].iter().rev());
            let alike = alike.take(ALIKE_MAX).take_while(|(a, b)| a == b).count();
            if alike > found.0 {
                found = (alike, end);
            }
            if found.0 == ALIKE_MAX {
                break;
            }
        }
    }
    if found.1 == 0 { &[] } else { &before[found.1..before.len().min(found.1 + most)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_place_that_was_alike_tells_what_may_follow() {
        let before = [9, 1, 2, 3, 7, 8, 4, 2, 3, 5, 6, 1, 2, 3];
        // After 1 2 3 came 7 8 4; the later 2 3 is shorter.
        assert_eq!(guess(&before, true, 8), [7, 8, 4]);
        assert_eq!(guess(&before, true, 2), [7, 8]);
        assert_eq!(guess(&before, true, 0), [0; 0]);
        // Three alike are too few after a wrong guess.
        assert_eq!(guess(&before, false, 8), [0; 0]);
        // Of places as long the last.
        assert_eq!(guess(&[1, 2, 5, 1, 2, 6, 1, 2], true, 1), [6]);
        // A repetition is gone on with, as far as it is there.
        assert_eq!(guess(&[4, 4, 4, 4, 4, 4], false, 3), [4]);
        assert_eq!(guess(&[1, 2], true, 3), [0; 0]);
        assert_eq!(guess(&[], true, 3), [0; 0]);
    }
}
