//! What is found of a GPU on this machine, and the one that is used.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::compile::{self, KernelCache, Kind};
use super::driver::{DeviceFacts, Gpu, Module};
use super::generation::piece;
use super::library::{Products as Library, Search};
use super::products::{self, Products};
use crate::engine::base::Base;
use crate::failure::{Failure, Result};

/// Oldest compute capability that the kernels run on: Ampere.
pub const CAPABILITY_MIN: u32 = 80;

/// What of the GPU's software is there. Texts are one line each.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The device, or why there is none.
    pub device: Result<DeviceFacts, String>,
    /// The run-time compiler's version and file, or why it was not found.
    pub compiler: Result<String, String>,
    /// cuBLASLt's file, or why it was not found.
    pub products: Result<String, String>,
}

impl Found {
    /// Looks for everything.
    pub fn look(search: &Search) -> Self {
        Self {
            device: Gpu::open(search).map(|gpu| gpu.facts.clone()),
            compiler: compile::found(search),
            products: Library::load(search).map(|library| library.path.display().to_string()),
        }
    }
}

/// A GPU ready for work.
pub struct Device {
    gpu: Arc<Gpu>,
    search: Search,
    cache: Box<dyn KernelCache + Send>,
    modules: RefCell<HashMap<Kind, Arc<Module>>>,
    /// cuBLASLt, kept open once it is.
    library: RefCell<Option<Library>>,
    /// Seconds that opening took.
    seconds: Cell<f64>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("facts", &self.gpu.facts).finish_non_exhaustive()
    }
}

impl Device {
    /// Opens the first device. Compiled kernels come from `cache` where it has them.
    ///
    /// # Errors
    /// Without a driver or device, or when it is older than the kernels run on.
    pub fn open(search: Search, cache: Box<dyn KernelCache + Send>) -> Result<Self> {
        let started = Instant::now();
        let gpu = Gpu::open(&search).map_err(|why| {
            Failure::user(format!("no GPU can be used: {why}"))
                .hint("`hone doctor` says what was found; `--device cpu` trains without.")
        })?;
        let DeviceFacts { capability, name, .. } = &gpu.facts;
        if *capability < CAPABILITY_MIN {
            return Err(Failure::user(format!(
                "{name} has compute capability {}.{}, and the kernels need {}.{}",
                capability / 10,
                capability % 10,
                CAPABILITY_MIN / 10,
                CAPABILITY_MIN % 10
            ))
            .hint("`--device cpu` trains without it."));
        }
        Ok(Self {
            gpu: Arc::new(gpu),
            search,
            cache,
            modules: RefCell::default(),
            library: RefCell::default(),
            seconds: Cell::new(started.elapsed().as_secs_f64()),
        })
    }

    /// Loads what every model asks for, where it is there: before a model is known, that takes no one's time.
    pub fn warm_up(&self) {
        let started = Instant::now();
        // What is missing is told when it is asked for.
        let _ = Products::ready(self);
        let _ = self.module(Kind::Few);
        self.seconds.set(self.seconds.get() + started.elapsed().as_secs_f64());
    }

    /// Seconds that opening it and warming it up took.
    pub fn opening_seconds(&self) -> f64 {
        self.seconds.get()
    }

    /// Fails unless a model fits the kernels and they are there or can be compiled.
    ///
    /// # Errors
    /// Says what does not fit or is missing.
    pub fn ready(&self, base: &Base) -> Result<()> {
        super::weights::check(base)?;
        self.module(Kind::Passes { dim: base.config().head_dim })?;
        Products::ready(self)
    }

    /// [`Device::ready`] for making answers too.
    ///
    /// # Errors
    /// Says what does not fit or is missing.
    pub fn ready_to_answer(&self, base: &Base) -> Result<()> {
        self.ready(base)?;
        let (dim, piece) = (base.config().head_dim, piece(base.config()));
        for kind in [Kind::Few, Kind::One { dim, piece }] {
            self.module(kind)?;
        }
        Ok(())
    }

    /// Bytes of its memory that are taken now, by whomever.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn used(&self) -> Result<usize> {
        self.gpu.enter()?;
        Ok(self.gpu.facts.total.saturating_sub(self.gpu.free()?))
    }

    /// What is known of it.
    pub fn facts(&self) -> &DeviceFacts {
        &self.gpu.facts
    }

    pub(super) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    pub(super) fn search(&self) -> &Search {
        &self.search
    }

    /// Opens cuBLASLt, which then stays open, and says whether it is there to be used.
    pub(super) fn opens_library(&self) -> bool {
        let mut held = self.library.borrow_mut();
        if held.is_none() {
            *held = products::library(&self.search);
        }
        held.is_some()
    }

    /// Kernels, loaded.
    pub(super) fn module(&self, kind: Kind) -> Result<Arc<Module>> {
        // It may have been opened on another thread.
        self.gpu.enter()?;
        if let Some(module) = self.modules.borrow().get(&kind) {
            return Ok(Arc::clone(module));
        }
        let machine = (self.gpu.facts.capability, self.gpu.facts.driver);
        let code = compile::code(&self.search, machine, kind, &*self.cache)?;
        let module = Arc::new(Module::load(&self.gpu, &code)?);
        self.modules.borrow_mut().insert(kind, Arc::clone(&module));
        Ok(module)
    }
}
