//! Which library decodes PDF files.

use std::fmt;
use std::str::FromStr;

/// A library that decodes PDF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// hayro: glyph by glyph, with our own layout; knows all predefined Korean encodings.
    #[default]
    Hayro,
    /// pdf-extract: its own layout; lacks the predefined Korean encodings and fails on some files.
    PdfExtract,
}

impl Engine {
    /// Every engine, the default first.
    pub const ALL: [Self; 2] = [Self::Hayro, Self::PdfExtract];

    /// The engine's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hayro => "hayro",
            Self::PdfExtract => "pdf-extract",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|engine| engine.name() == name).ok_or_else(|| {
            format!("unknown engine {name:?}; the engines are hayro and pdf-extract")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for engine in Engine::ALL {
            assert_eq!(engine.to_string().parse(), Ok(engine));
        }
        assert!("poppler".parse::<Engine>().unwrap_err().contains("hayro and pdf-extract"));
    }
}
