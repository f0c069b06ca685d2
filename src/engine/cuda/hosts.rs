//! Inputs of layers that lie in the machine's memory between the two passes.
//!
//! Each is copied out once it is written and comes back ahead of its layer's backward pass. On the device two places are
//! theirs by turns: an input's is that of the input two layers later. While a layer works on one, the other's copy goes
//! on. Values are copied, so results are the same bits as with a place for each.

use std::sync::Arc;

use half::bf16;

use super::driver::{Beside, CopyWay, Gpu};
use crate::failure::Result;

pub(super) struct Hosts {
    beside: Beside,
    /// Inputs, from the first one on, that have no place of their own on the device.
    count: usize,
    /// Bytes from one input to the next.
    stride: usize,
}

impl Hosts {
    /// Inputs that are copied out: the two whose places the others take by turns are too, so that all can be looked at
    /// after a step that failed.
    fn copied(count: usize) -> usize {
        count + 2
    }

    /// Bytes of the machine's memory for `count` inputs of so many bytes each.
    pub(super) fn bytes_for(count: usize, stride: usize) -> usize {
        if count == 0 { 0 } else { Self::copied(count) * stride }
    }

    /// # Errors
    /// When the machine has no memory for them.
    pub(super) fn new(gpu: &Arc<Gpu>, count: usize, stride: usize) -> Result<Self> {
        let beside = Beside::new(gpu, Self::bytes_for(count, stride))?;
        Ok(Self { beside, count, stride })
    }

    /// Bytes of the machine's memory.
    pub(super) fn bytes(&self) -> usize {
        self.beside.bytes()
    }

    /// Copies an input out that was written.
    pub(super) fn written(&self, input: usize, at: u64, bytes: usize) -> Result<()> {
        if input >= Self::copied(self.count) {
            return Ok(());
        }
        self.beside.copy(CopyWay::Out, at, (input * self.stride, bytes), input)
    }

    /// Has the work wait until an input may be written: the one in its place must be out.
    pub(super) fn before_writing(&self, input: usize) -> Result<()> {
        match input.checked_sub(2) {
            Some(other) if other < self.count => self.beside.wait(CopyWay::Out, other),
            _ => Ok(()),
        }
    }

    /// An input is not needed any more: the next one that its place is for comes back.
    pub(super) fn used_up(&self, input: usize, inputs: &[u64], bytes: usize) -> Result<()> {
        match input.checked_sub(2) {
            Some(next) if next < self.count => {
                self.beside.copy(CopyWay::Back, inputs[next], (next * self.stride, bytes), next)
            }
            _ => Ok(()),
        }
    }

    /// Has the work wait for an input to be back.
    pub(super) fn before_reading(&self, input: usize) -> Result<()> {
        if input < self.count { self.beside.wait(CopyWay::Back, input) } else { Ok(()) }
    }

    /// The values of an input, where it was copied out.
    pub(super) fn values(&self, input: usize, count: usize) -> Result<Option<Vec<bf16>>> {
        if input >= Self::copied(self.count) {
            return Ok(None);
        }
        self.beside.values(input * self.stride, count).map(Some)
    }
}
