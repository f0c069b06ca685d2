//! Activations in memory: f32, or bf16 where products round them to it anyway and only half the bytes
//! then move.

use std::ops::Range;

use half::bf16;

use super::ahead;

/// Values to read.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Values<'a> {
    Full(&'a [f32]),
    Half(&'a [bf16]),
}

/// Values to write.
#[derive(Debug)]
pub(in crate::engine) enum ValuesMut<'a> {
    Full(&'a mut [f32]),
    Half(&'a mut [bf16]),
}

impl Values<'_> {
    pub(in crate::engine) fn len(self) -> usize {
        match self {
            Self::Full(values) => values.len(),
            Self::Half(values) => values.len(),
        }
    }

    pub(in crate::engine) fn part(self, range: Range<usize>) -> Self {
        match self {
            Self::Full(values) => Self::Full(&values[range]),
            Self::Half(values) => Self::Half(&values[range]),
        }
    }

    /// Asks for them, for they are read soon.
    pub(in crate::engine) fn ask(self) {
        match self {
            Self::Full(values) => ahead::near(values),
            Self::Half(values) => ahead::near(values),
        }
    }

    /// The values from `first` on; rows that start there keep their pitch.
    pub(in crate::engine) fn tail(self, first: usize) -> Self {
        self.part(first.min(self.len())..self.len())
    }
}

impl ValuesMut<'_> {
    pub(in crate::engine) fn len(&self) -> usize {
        match self {
            Self::Full(values) => values.len(),
            Self::Half(values) => values.len(),
        }
    }

    pub(in crate::engine) fn is_half(&self) -> bool {
        matches!(self, Self::Half(_))
    }
}

impl<'a> From<&'a [f32]> for Values<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::Full(values)
    }
}

impl<'a> From<&'a mut [f32]> for ValuesMut<'a> {
    fn from(values: &'a mut [f32]) -> Self {
        Self::Full(values)
    }
}
