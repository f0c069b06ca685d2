//! What reads PDF files.

use std::fmt;
use std::str::FromStr;

/// What reads PDF files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// hayro: glyph by glyph, with our own layout; knows all predefined Korean encodings.
    #[default]
    Hayro,
    /// pdf-extract: its own layout; lacks the predefined Korean encodings and fails on some files.
    PdfExtract,
    /// Character recognition of every page, as a picture: for files whose text is wrong or unreadable.
    Ocr,
}

impl Engine {
    /// Every engine, the default first.
    pub const ALL: [Self; 3] = [Self::Hayro, Self::PdfExtract, Self::Ocr];

    /// The engine's name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hayro => "hayro",
            Self::PdfExtract => "pdf-extract",
            Self::Ocr => "ocr",
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
            format!("unknown engine {name:?}; the engines are hayro, pdf-extract and ocr")
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
        assert!("poppler".parse::<Engine>().unwrap_err().contains("hayro, pdf-extract and ocr"));
    }
}
