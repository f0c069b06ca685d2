//! Pieces that screens are drawn with. They know the terminal's cells, not the project.

pub mod bars;
pub mod columns;
pub mod diff;
pub mod editor;
pub mod fields;
pub mod input;
pub mod list;
pub mod loss_chart;
pub mod overlay;
pub mod rich;
pub mod sweep_chart;

pub use columns::Column;
pub use editor::Editor;
pub use input::Input;
pub use list::ListState;
pub use rich::{Rich, Scroll};
