//! The libraries of the GPU's maker, found at run time: nothing of them is needed to build or start
//! this program.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::PathBuf;

use libloading::Library;

/// Folders in which libraries are looked for after the system's own places, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The folders.
    pub folders: Vec<PathBuf>,
}

/// Opens the first library that can be; the error tells each that could not.
fn open(search: &Search, names: &[&str]) -> Result<(Library, PathBuf), String> {
    let alone = names.iter().map(PathBuf::from);
    let inside =
        search.folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
    let mut first_error = None;
    for path in alone.chain(inside) {
        // SAFETY: the libraries are the driver's and the toolkit's own; their initializers ask for nothing.
        match unsafe { Library::new(&path) } {
            Ok(library) => return Ok((library, path)),
            Err(error) => {
                first_error.get_or_insert_with(|| error.to_string());
            }
        }
    }
    Err(first_error.unwrap_or_else(|| format!("{} was not found", names.join(", "))))
}

/// A library's functions, all of which give a status that is 0 when all went well. Those behind `@` may be missing.
macro_rules! table {
    ($(#[$about:meta])* $name:ident: $names:expr; $($field:ident = $symbol:literal ($($argument:ty),*);)*
        $(@ $maybe:ident = $newer:literal ($($given:ty),*);)*) => {
        $(#[$about])*
        pub(super) struct $name {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) -> c_int,)*
            $(pub(super) $maybe: Option<unsafe extern "C" fn($($given),*) -> c_int>,)*
            pub(super) path: PathBuf,
            /// Keeps the functions valid.
            _library: Library,
        }

        impl $name {
            /// Finds the library and all its functions.
            pub(super) fn load(search: &Search) -> Result<Self, String> {
                let (library, path) = open(search, &$names)?;
                $(
                    // SAFETY: the signature is the one of the header that declares the symbol.
                    let $field = *unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) -> c_int>($symbol)
                    }
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                )*
                $(
                    // SAFETY: as above.
                    let $maybe = unsafe {
                        library.get::<unsafe extern "C" fn($($given),*) -> c_int>($newer)
                    }
                    .ok()
                    .map(|function| *function);
                )*
                Ok(Self { $($field,)* $($maybe,)* path, _library: library })
            }
        }
    };
}

/// An object of the driver or a library, held by them.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(super) struct Handle(*mut c_void);

impl Handle {
    /// No object.
    pub(super) const NONE: Self = Self(std::ptr::null_mut());

    /// Whether there is no object.
    pub(super) fn is_none(self) -> bool {
        self.0.is_null()
    }

    /// Where it lies, for memory.
    pub(super) fn pointer(self) -> *mut c_void {
        self.0
    }
}

// SAFETY: nothing here looks into the object; the driver and cuBLASLt may be called from any thread, and
// an object that is changed by calls is held by one owner.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

/// A launch with one attribute, as the driver's header has it.
#[repr(C)]
pub(super) struct EarlyLaunch {
    pub(super) grid: [c_uint; 3],
    pub(super) threads: [c_uint; 3],
    pub(super) shared: c_uint,
    pub(super) stream: Handle,
    pub(super) attributes: *const Attribute,
    pub(super) count: c_uint,
}

/// An attribute of a launch: its number and its value.
#[repr(C)]
pub(super) struct Attribute {
    pub(super) which: c_uint,
    pub(super) unused: c_uint,
    pub(super) value: [u64; 8],
}

#[cfg(windows)]
const DRIVER: [&str; 1] = ["nvcuda.dll"];
#[cfg(not(windows))]
const DRIVER: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
#[cfg(windows)]
const COMPILER: [&str; 2] = ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"];
#[cfg(not(windows))]
const COMPILER: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
#[cfg(windows)]
const PRODUCTS: [&str; 2] = ["cublasLt64_13.dll", "cublasLt64_12.dll"];
#[cfg(not(windows))]
const PRODUCTS: [&str; 3] = ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"];

table! {
    /// The driver.
    Driver: DRIVER;
    init = "cuInit" (c_uint);
    version = "cuDriverGetVersion" (*mut c_int);
    device_count = "cuDeviceGetCount" (*mut c_int);
    device_get = "cuDeviceGet" (*mut c_int, c_int);
    device_name = "cuDeviceGetName" (*mut c_char, c_int, c_int);
    device_attribute = "cuDeviceGetAttribute" (*mut c_int, c_int, c_int);
    context_retain = "cuDevicePrimaryCtxRetain" (*mut Handle, c_int);
    context_release = "cuDevicePrimaryCtxRelease_v2" (c_int);
    context_set = "cuCtxSetCurrent" (Handle);
    memory_info = "cuMemGetInfo_v2" (*mut usize, *mut usize);
    memory_new = "cuMemAlloc_v2" (*mut u64, usize);
    memory_free = "cuMemFree_v2" (u64);
    host_new = "cuMemHostAlloc" (*mut Handle, usize, c_uint);
    host_free = "cuMemFreeHost" (Handle);
    upload = "cuMemcpyHtoDAsync_v2" (u64, *const c_void, usize, Handle);
    download = "cuMemcpyDtoHAsync_v2" (*mut c_void, u64, usize, Handle);
    fill = "cuMemsetD8Async" (u64, u8, usize, Handle);
    stream_new = "cuStreamCreate" (*mut Handle, c_uint);
    stream_free = "cuStreamDestroy_v2" (Handle);
    stream_wait = "cuStreamSynchronize" (Handle);
    module_load = "cuModuleLoadData" (*mut Handle, *const c_void);
    module_free = "cuModuleUnload" (Handle);
    function_get = "cuModuleGetFunction" (*mut Handle, Handle, *const c_char);
    function_set = "cuFuncSetAttribute" (Handle, c_int, c_int);
    launch = "cuLaunchKernel" (
        Handle, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, Handle, *mut *mut c_void,
        *mut *mut c_void);
    event_new = "cuEventCreate" (*mut Handle, c_uint);
    event_free = "cuEventDestroy_v2" (Handle);
    event_record = "cuEventRecord" (Handle, Handle);
    event_await = "cuStreamWaitEvent" (Handle, Handle, c_uint);
    event_elapsed = "cuEventElapsedTime" (*mut f32, Handle, Handle);
    capture_begin = "cuStreamBeginCapture_v2" (Handle, c_int);
    capture_end = "cuStreamEndCapture" (Handle, *mut Handle);
    graph_new = "cuGraphInstantiateWithFlags" (*mut Handle, Handle, u64);
    graph_launch = "cuGraphLaunch" (Handle, Handle);
    graph_free = "cuGraphDestroy" (Handle);
    ready_graph_free = "cuGraphExecDestroy" (Handle);
    error_name = "cuGetErrorName" (c_int, *mut *const c_char);
    @launch_early = "cuLaunchKernelEx" (
        *const EarlyLaunch, Handle, *mut *mut c_void, *mut *mut c_void);
}

table! {
    /// The run-time compiler.
    Compiler: COMPILER;
    version = "nvrtcVersion" (*mut c_int, *mut c_int);
    create = "nvrtcCreateProgram" (
        *mut Handle, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char);
    destroy = "nvrtcDestroyProgram" (*mut Handle);
    compile = "nvrtcCompileProgram" (Handle, c_int, *const *const c_char);
    log_size = "nvrtcGetProgramLogSize" (Handle, *mut usize);
    log = "nvrtcGetProgramLog" (Handle, *mut c_char);
    code_size = "nvrtcGetCUBINSize" (Handle, *mut usize);
    code = "nvrtcGetCUBIN" (Handle, *mut c_char);
    text_size = "nvrtcGetPTXSize" (Handle, *mut usize);
    text = "nvrtcGetPTX" (Handle, *mut c_char);
}

table! {
    /// Matrix products.
    Products: PRODUCTS;
    create = "cublasLtCreate" (*mut Handle);
    destroy = "cublasLtDestroy" (Handle);
    product_new = "cublasLtMatmulDescCreate" (*mut Handle, c_int, c_int);
    product_set = "cublasLtMatmulDescSetAttribute" (Handle, c_int, *const c_void, usize);
    product_free = "cublasLtMatmulDescDestroy" (Handle);
    layout_new = "cublasLtMatrixLayoutCreate" (*mut Handle, c_int, u64, u64, i64);
    layout_free = "cublasLtMatrixLayoutDestroy" (Handle);
    preference_new = "cublasLtMatmulPreferenceCreate" (*mut Handle);
    preference_set = "cublasLtMatmulPreferenceSetAttribute" (Handle, c_int, *const c_void, usize);
    preference_free = "cublasLtMatmulPreferenceDestroy" (Handle);
    choose = "cublasLtMatmulAlgoGetHeuristic" (
        Handle, Handle, Handle, Handle, Handle, Handle, Handle, c_int, *mut c_void, *mut c_int);
    multiply = "cublasLtMatmul" (
        Handle, Handle, *const c_void, *const c_void, Handle, *const c_void, Handle, *const c_void,
        *const c_void, Handle, *mut c_void, Handle, *const c_void, *mut c_void, usize, Handle);
}
