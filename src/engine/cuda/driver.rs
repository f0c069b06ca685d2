//! The driver behind checked calls: one device, its memory, kernels and one stream of work.

mod beside;

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::Arc;

use super::library::{Attribute, Driver, EarlyLaunch, Handle, Search};
use crate::failure::{Failure, Result};

pub(super) use beside::{Beside, Way as CopyWay};

/// Attributes of a device, by the driver's numbers.
const MULTIPROCESSORS: c_int = 16;
const MAJOR: c_int = 75;
const MINOR: c_int = 76;
const SHARED_MAX: c_int = 97;
/// Attribute of a kernel: shared memory that is asked for at its launch.
const SHARED_BYTES: c_int = 8;
/// Attribute of a launch: the kernel may begin before the one before it has ended.
const EARLY: u32 = 6;

/// What is known of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceFacts {
    /// The maker's name.
    pub name: String,
    /// Compute capability, as 90 for 9.0.
    pub capability: u32,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Newest CUDA version the driver knows, as 13000 for 13.0.
    pub driver: u32,
    /// Free memory, bytes.
    pub free: usize,
    /// All memory, bytes.
    pub total: usize,
    /// The driver's library.
    pub library: String,
}

/// The first device, ready for work.
pub(super) struct Gpu {
    driver: Driver,
    device: c_int,
    context: Handle,
    stream: Handle,
    pub(super) facts: DeviceFacts,
    /// Shared memory that a block may ask for, bytes.
    pub(super) shared_max: usize,
}

/// Where the arguments of a kernel lie.
fn places_of<const N: usize>(arguments: &[Argument; N]) -> [*mut c_void; N] {
    arguments.each_ref().map(|argument| std::ptr::from_ref(argument).cast_mut().cast())
}

impl Gpu {
    /// Opens the driver and its first device. The error is one line.
    pub(super) fn open(search: &Search) -> Result<Self, String> {
        let driver = Driver::load(search)?;
        let driver_file = driver.path.display().to_string();
        let check = |what: &str, status: c_int| match status {
            0 => Ok(()),
            _ => Err(format!("{what}: {}", name_of(&driver, status))),
        };
        // SAFETY: the pointers are to places of the right kind that outlive the calls.
        let (device, context, stream, facts, shared_max) = unsafe {
            check("the driver does not start", (driver.init)(0))?;
            let (mut version, mut count, mut device) = (0, 0, 0);
            check("its version", (driver.version)(&raw mut version))?;
            check("its devices", (driver.device_count)(&raw mut count))?;
            if count == 0 {
                return Err("the driver knows no device".to_owned());
            }
            check("its first device", (driver.device_get)(&raw mut device, 0))?;
            let mut name = [0i8; 256];
            check(
                "the device's name",
                (driver.device_name)(name.as_mut_ptr().cast(), 256, device),
            )?;
            let name = CStr::from_ptr(name.as_ptr().cast()).to_string_lossy().into_owned();
            let attribute = |which: c_int| {
                let mut value = 0;
                check("an attribute", (driver.device_attribute)(&raw mut value, which, device))?;
                Ok::<u32, String>(value as u32)
            };
            let capability = attribute(MAJOR)? * 10 + attribute(MINOR)?;
            let multiprocessors = attribute(MULTIPROCESSORS)?;
            let shared_max = attribute(SHARED_MAX)? as usize;
            let mut context = Handle::NONE;
            check("a context", (driver.context_retain)(&raw mut context, device))?;
            check("the context", (driver.context_set)(context))?;
            let (mut free, mut total) = (0, 0);
            check("its memory", (driver.memory_info)(&raw mut free, &raw mut total))?;
            let mut stream = Handle::NONE;
            check("a stream", (driver.stream_new)(&raw mut stream, 1))?;
            let driver = version as u32;
            let library = driver_file;
            let facts =
                DeviceFacts { name, capability, multiprocessors, driver, free, total, library };
            (device, context, stream, facts, shared_max)
        };
        Ok(Self { driver, device, context, stream, facts, shared_max })
    }

    fn check(&self, what: &str, status: c_int) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let reason = name_of(&self.driver, status);
        let failure = Failure::user(format!("the GPU could not {what}: {reason}"));
        Err(if reason == "CUDA_ERROR_OUT_OF_MEMORY" {
            failure
                .hint("A lower `--memory`, `length_max` or rank needs less; other programs may hold some.")
        } else {
            failure.hint("`--device cpu` trains without it; `hone doctor` says what was found.")
        })
    }

    /// Makes calls of this thread go to the device.
    pub(super) fn enter(&self) -> Result<()> {
        // SAFETY: the context is held as long as this.
        let status = unsafe { (self.driver.context_set)(self.context) };
        self.check("be used", status)
    }

    /// The stream all work goes through.
    pub(super) fn stream(&self) -> Handle {
        self.stream
    }

    /// Free memory now, bytes.
    pub(super) fn free(&self) -> Result<usize> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: both places outlive the call.
        let status = unsafe { (self.driver.memory_info)(&raw mut free, &raw mut total) };
        self.check("tell its free memory", status)?;
        Ok(free)
    }

    /// Copies to the device. The source may change once this returns.
    pub(super) fn upload<T: Plain>(&self, to: u64, from: &[T]) -> Result<()> {
        let bytes = size_of_val(from);
        // SAFETY: the source is read before the call returns, since it is pageable memory; the place
        // on the device was laid out for as many bytes.
        let status =
            unsafe { (self.driver.upload)(to, from.as_ptr().cast::<c_void>(), bytes, self.stream) };
        self.check("take data", status)
    }

    /// Copies from the device, after all work before it.
    pub(super) fn download<T: Plain>(&self, from: u64, to: &mut [T]) -> Result<()> {
        let bytes = size_of_val(to);
        // SAFETY: the destination is there until the wait below ends.
        let status = unsafe {
            (self.driver.download)(to.as_mut_ptr().cast::<c_void>(), from, bytes, self.stream)
        };
        self.check("give data", status)?;
        self.wait()
    }

    /// Zeroes memory.
    pub(super) fn clear(&self, at: u64, bytes: usize) -> Result<()> {
        // SAFETY: the place was laid out for as many bytes.
        let status = unsafe { (self.driver.fill)(at, 0, bytes, self.stream) };
        self.check("clear memory", status)
    }

    /// Waits for all work.
    pub(super) fn wait(&self) -> Result<()> {
        // SAFETY: the stream lives as long as this.
        let status = unsafe { (self.driver.stream_wait)(self.stream) };
        self.check("finish its work", status)
    }

    /// Starts a kernel. `shared` is in bytes.
    pub(super) fn launch<const N: usize>(
        &self,
        kernel: Kernel<N>,
        grid: (usize, usize),
        threads: usize,
        shared: usize,
        arguments: [Argument; N],
    ) -> Result<()> {
        if grid.0 == 0 || grid.1 == 0 {
            return Ok(());
        }
        let mut places = places_of(&arguments);
        // SAFETY: the arguments are copied before the call returns, and are those of the kernel.
        let status = unsafe {
            (self.driver.launch)(
                kernel.function,
                grid.0 as u32,
                grid.1 as u32,
                1,
                threads as u32,
                1,
                1,
                shared as u32,
                self.stream,
                places.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        self.check("start a kernel", status)
    }

    /// [`Gpu::launch`] for a kernel that may begin before the one before it has ended, where it waits for that
    /// itself and the driver knows of such launches.
    pub(super) fn launch_early<const N: usize>(
        &self,
        kernel: Kernel<N>,
        grid: (usize, usize),
        threads: usize,
        shared: usize,
        arguments: [Argument; N],
    ) -> Result<()> {
        let Some(launch_early) = self.driver.launch_early.filter(|_| kernel.waits) else {
            return self.launch(kernel, grid, threads, shared, arguments);
        };
        if grid.0 == 0 || grid.1 == 0 {
            return Ok(());
        }
        let mut places = places_of(&arguments);
        let attribute = Attribute { which: EARLY, unused: 0, value: [1, 0, 0, 0, 0, 0, 0, 0] };
        let launch = EarlyLaunch {
            grid: [grid.0 as u32, grid.1 as u32, 1],
            threads: [threads as u32, 1, 1],
            shared: shared as u32,
            stream: self.stream,
            attributes: &raw const attribute,
            count: 1,
        };
        // SAFETY: launch and arguments are copied before the call returns, and are those of the kernel.
        let status = unsafe {
            launch_early(
                &raw const launch,
                kernel.function,
                places.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        self.check("start a kernel", status)
    }

    /// Keeps the work that `give` gives, without doing it, to be done as often as is asked.
    pub(super) fn keep(self: &Arc<Self>, give: impl FnOnce() -> Result<()>) -> Result<Graph> {
        // SAFETY: the stream is this driver's; the mode binds this thread only.
        let status = unsafe { (self.driver.capture_begin)(self.stream, 1) };
        self.check("keep work", status)?;
        let given = give();
        let (mut graph, mut ready) = (Handle::NONE, Handle::NONE);
        // SAFETY: the places outlive the calls, and the first graph is not used after it is made ready.
        let status = unsafe {
            match (self.driver.capture_end)(self.stream, &raw mut graph) {
                0 => {
                    let status = (self.driver.graph_new)(&raw mut ready, graph, 0);
                    (self.driver.graph_free)(graph);
                    status
                }
                status => status,
            }
        };
        given?;
        self.check("keep work", status)?;
        Ok(Graph { gpu: Arc::clone(self), graph: ready })
    }

    /// A new mark in the stream of work.
    pub(super) fn mark(&self) -> Result<Mark> {
        let mut event = Handle::NONE;
        // SAFETY: the place outlives the call.
        let status = unsafe { (self.driver.event_new)(&raw mut event, 0) };
        self.check("make an event", status)?;
        Ok(Mark(event))
    }

    /// Sets a mark behind the work given so far.
    pub(super) fn set_mark(&self, mark: &Mark) -> Result<()> {
        // SAFETY: event and stream are this driver's.
        let status = unsafe { (self.driver.event_record)(mark.0, self.stream) };
        self.check("record an event", status)
    }

    /// Seconds between two marks that were passed.
    pub(super) fn seconds(&self, from: &Mark, to: &Mark) -> Result<f64> {
        let mut milliseconds = 0.0;
        // SAFETY: both events are this driver's.
        let status = unsafe { (self.driver.event_elapsed)(&raw mut milliseconds, from.0, to.0) };
        self.check("tell a time", status)?;
        Ok(f64::from(milliseconds) / 1e3)
    }

    pub(super) fn drop_mark(&self, mark: &Mark) {
        // SAFETY: the event is this driver's and is not used again.
        unsafe { (self.driver.event_free)(mark.0) };
    }
}

/// Work that was kept.
pub(super) struct Graph {
    gpu: Arc<Gpu>,
    graph: Handle,
}

impl Graph {
    /// Does it once more.
    pub(super) fn launch(&self) -> Result<()> {
        // SAFETY: the graph works in memory that is held as long as it.
        let status = unsafe { (self.gpu.driver.graph_launch)(self.graph, self.gpu.stream) };
        self.gpu.check("start kept work", status)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let _ = self.gpu.enter();
        // SAFETY: the work has ended, and the graph is not used again.
        unsafe {
            (self.gpu.driver.stream_wait)(self.gpu.stream);
            (self.gpu.driver.ready_graph_free)(self.graph);
        }
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: nothing uses the stream or the context after this.
        unsafe {
            (self.driver.stream_wait)(self.stream);
            (self.driver.stream_free)(self.stream);
            (self.driver.context_release)(self.device);
        }
    }
}

fn name_of(driver: &Driver, status: c_int) -> String {
    let mut name = std::ptr::null();
    // SAFETY: the driver gives a text that lives as long as it does, or null.
    unsafe {
        (driver.error_name)(status, &raw mut name);
        if name.is_null() {
            return format!("error {status}");
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// A place in the stream of work.
pub(super) struct Mark(Handle);

/// A function on the device that takes `N` arguments: the driver reads as many, whatever it is given.
#[derive(Clone, Copy)]
pub(super) struct Kernel<const N: usize> {
    function: Handle,
    /// Whether it may be begun early, because it waits itself for the one before it.
    waits: bool,
}

#[cfg(test)]
impl<const N: usize> Kernel<N> {
    /// Stands for a kernel that is never started.
    pub(super) fn nowhere() -> Self {
        Self { function: Handle::NONE, waits: false }
    }
}

/// Kernels as the driver takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Code {
    /// Code of the device, or PTX that ends with a zero.
    pub(super) image: Vec<u8>,
    /// Whether those of its kernels that are launched early wait themselves for the kernel before them.
    pub(super) waits: bool,
}

/// Compiled kernels.
pub(super) struct Module {
    gpu: Arc<Gpu>,
    handle: Handle,
    waits: bool,
}

impl Module {
    pub(super) fn load(gpu: &Arc<Gpu>, code: &Code) -> Result<Self> {
        let mut handle = Handle::NONE;
        let image = code.image.as_ptr().cast::<c_void>();
        // SAFETY: the code is a whole image, which the driver copies.
        let status = unsafe { (gpu.driver.module_load)(&raw mut handle, image) };
        gpu.check("load its kernels", status)?;
        Ok(Self { gpu: Arc::clone(gpu), handle, waits: code.waits })
    }

    /// A kernel of so many arguments that may ask for so many bytes of shared memory.
    pub(super) fn function<const N: usize>(&self, name: &str, shared: usize) -> Result<Kernel<N>> {
        let text = CString::new(name).map_err(|_| Failure::defect("a kernel's name"))?;
        let mut function = Handle::NONE;
        // SAFETY: the module is loaded, the name ends with zero.
        let status = unsafe {
            (self.gpu.driver.function_get)(&raw mut function, self.handle, text.as_ptr())
        };
        self.gpu.check(&format!("find the kernel {name}"), status)?;
        if shared > 48 << 10 {
            // SAFETY: the function is of this module.
            let status =
                unsafe { (self.gpu.driver.function_set)(function, SHARED_BYTES, shared as c_int) };
            self.gpu.check(&format!("give {name} {shared} bytes of shared memory"), status)?;
        }
        Ok(Kernel { function, waits: self.waits })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.gpu.enter();
        // SAFETY: whoever holds kernels of this module holds the module.
        unsafe {
            (self.gpu.driver.stream_wait)(self.gpu.stream);
            (self.gpu.driver.module_free)(self.handle);
        }
    }
}

/// Memory of the device, taken once.
pub(super) struct Memory {
    gpu: Arc<Gpu>,
    pub(super) at: u64,
    pub(super) bytes: usize,
}

impl Memory {
    pub(super) fn new(gpu: &Arc<Gpu>, bytes: usize) -> Result<Self> {
        let mut at = 0;
        // SAFETY: the place outlives the call.
        let status = unsafe { (gpu.driver.memory_new)(&raw mut at, bytes.max(256)) };
        gpu.check(&format!("give {} MiB", bytes.div_ceil(1 << 20)), status)?;
        Ok(Self { gpu: Arc::clone(gpu), at, bytes })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = self.gpu.enter();
        // SAFETY: the work that uses the memory has ended.
        unsafe {
            (self.gpu.driver.stream_wait)(self.gpu.stream);
            (self.gpu.driver.memory_free)(self.at);
        }
    }
}

/// Lays places one after the other; from address 0 on it measures what they take.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bump {
    base: u64,
    used: usize,
}

impl Bump {
    /// Begins at `base`.
    pub(super) fn at(base: u64) -> Self {
        Self { base, used: 0 }
    }

    /// The next place.
    pub(super) fn take(&mut self, bytes: usize) -> u64 {
        let at = self.base + self.used as u64;
        self.used += bytes.next_multiple_of(256);
        at
    }

    /// Bytes laid so far.
    pub(super) fn used(self) -> usize {
        self.used
    }
}

/// Values that are their bytes.
pub(super) trait Plain: Copy {}

impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for f32 {}
impl Plain for f64 {}
impl Plain for half::bf16 {}

/// An argument of a kernel, by value.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Argument([u32; 8]);

impl From<u64> for Argument {
    fn from(value: u64) -> Self {
        Self([value as u32, (value >> 32) as u32, 0, 0, 0, 0, 0, 0])
    }
}

impl From<usize> for Argument {
    /// Sizes are 32-bit numbers on the device.
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<u32> for Argument {
    fn from(value: u32) -> Self {
        Self::from(u64::from(value))
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self::from(value.to_bits())
    }
}

impl From<[u32; 8]> for Argument {
    fn from(words: [u32; 8]) -> Self {
        Self(words)
    }
}

/// The arguments of a kernel in their order.
macro_rules! arguments {
    ($($value:expr),* $(,)?) => { [$($crate::engine::cuda::driver::Argument::from($value)),*] };
}
pub(super) use arguments;
