//! Import and export of pairs as files.

mod card;
mod export;
mod figures;
mod import;
mod preview;

pub use export::{Exported, Selection, Target, export, export_folder, export_to, is_folder};
pub use figures::Figures;
pub use import::{ImportOptions, Imported, import};
pub use preview::{Preview, preview};
