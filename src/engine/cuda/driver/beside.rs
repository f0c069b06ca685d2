//! Copies beside the work: a second stream, and memory of the machine that the device reads and writes by itself.

use std::ffi::c_int;
use std::sync::Arc;

use half::bf16;

use super::Gpu;
use crate::engine::cuda::library::Handle;
use crate::failure::Result;

/// A stream that waits for no other, and an event that keeps no time.
const STREAM_ALONE: u32 = 1;
const EVENT_PLAIN: u32 = 2;

/// Which way a copy goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::cuda) enum Way {
    /// To the machine.
    Out = 0,
    /// To the device.
    Back = 1,
}

/// A second stream and memory of the machine for its copies. A copy begins once all work given before it is done; work given
/// later waits for it only where it is told to.
pub(in crate::engine::cuda) struct Beside {
    gpu: Arc<Gpu>,
    stream: Handle,
    memory: Handle,
    bytes: usize,
    /// Where the work stands when a copy is given.
    given: Handle,
    /// Behind copies of either way, by turns.
    done: [[Handle; 2]; 2],
}

impl Beside {
    /// A stream with so many bytes of the machine's memory, which then stay there.
    ///
    /// # Errors
    /// When the machine has no such memory.
    pub(in crate::engine::cuda) fn new(gpu: &Arc<Gpu>, bytes: usize) -> Result<Self> {
        let none = Handle::NONE;
        let mut made = Self {
            gpu: Arc::clone(gpu),
            stream: none,
            memory: none,
            bytes,
            given: none,
            done: [[none; 2]; 2],
        };
        let Self { stream, memory, given, done, .. } = &mut made;
        // SAFETY: the places outlive the calls.
        unsafe {
            let driver = &gpu.driver;
            gpu.check("make a stream", (driver.stream_new)(&raw mut *stream, STREAM_ALONE))?;
            for event in done.iter_mut().flatten().chain([given]) {
                gpu.check("make an event", (driver.event_new)(&raw mut *event, EVENT_PLAIN))?;
            }
            let status = (driver.host_new)(&raw mut *memory, bytes, 0);
            gpu.check("use memory of the machine", status)?;
        }
        Ok(made)
    }

    /// Bytes of the machine's memory.
    pub(in crate::engine::cuda) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies so many bytes between `device` and byte `at` of the machine's memory.
    pub(in crate::engine::cuda) fn copy(
        &self,
        way: Way,
        device: u64,
        (at, bytes): (usize, usize),
        turn: usize,
    ) -> Result<()> {
        if at + bytes > self.bytes {
            return Err(crate::failure::Failure::defect("a copy beyond the machine's memory"));
        }
        let driver = &self.gpu.driver;
        // SAFETY: events and streams are this driver's. The copy lies within the machine's memory, and on the device within
        // what was laid out for as many bytes.
        let status = unsafe {
            let host = self.memory.pointer().byte_add(at);
            let copied = |status: c_int| match (status, way) {
                (0, Way::Out) => (driver.download)(host, device, bytes, self.stream),
                (0, Way::Back) => (driver.upload)(device, host.cast_const(), bytes, self.stream),
                (status, _) => status,
            };
            match (driver.event_record)(self.given, self.gpu.stream) {
                0 => match copied((driver.event_await)(self.stream, self.given, 0)) {
                    0 => (driver.event_record)(self.done[way as usize][turn % 2], self.stream),
                    status => status,
                },
                status => status,
            }
        };
        self.gpu.check("copy beside its work", status)
    }

    /// Has the work given from now on wait for the last copy of a way and turn.
    pub(in crate::engine::cuda) fn wait(&self, way: Way, turn: usize) -> Result<()> {
        let done = self.done[way as usize][turn % 2];
        // SAFETY: event and stream are this driver's.
        let status = unsafe { (self.gpu.driver.event_await)(self.gpu.stream, done, 0) };
        self.gpu.check("wait for a copy", status)
    }

    /// Values from byte `at` on, once all work and all copies have ended.
    pub(in crate::engine::cuda) fn values(&self, at: usize, count: usize) -> Result<Vec<bf16>> {
        self.gpu.wait()?;
        if at + count * 2 > self.bytes {
            return Err(crate::failure::Failure::defect("values beyond the machine's memory"));
        }
        let mut values = vec![bf16::ZERO; count];
        // SAFETY: the copies have ended, and the values lie within the memory; any bytes are values.
        let status = unsafe {
            let status = (self.gpu.driver.stream_wait)(self.stream);
            let from = self.memory.pointer().byte_add(at).cast::<bf16>();
            std::ptr::copy_nonoverlapping(from, values.as_mut_ptr(), count);
            status
        };
        self.gpu.check("finish its copies", status)?;
        Ok(values)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.gpu.enter();
        let driver = &self.gpu.driver;
        // SAFETY: what was made is this driver's and is not used again once work and copies have ended.
        unsafe {
            (driver.stream_wait)(self.gpu.stream);
            if !self.stream.is_none() {
                (driver.stream_wait)(self.stream);
                (driver.stream_free)(self.stream);
            }
            for event in self.done.into_iter().flatten().chain([self.given]) {
                if !event.is_none() {
                    (driver.event_free)(event);
                }
            }
            if !self.memory.is_none() {
                (driver.host_free)(self.memory);
            }
        }
    }
}
