//! Strings and numbers of JSON, byte by byte (RFC 8259, UTF-8 by the table 3-7 of the Unicode Standard).

use crate::model::template::hermes::CALL_CLOSE;

/// Digits of a whole part or a fraction, at most: as many as every reader keeps apart, and none overflows.
const DIGITS_MAX: u8 = 18;

/// Digits of an exponent, at most.
const POWER_DIGITS_MAX: u8 = 2;

/// Where in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Text {
    /// Before the opening quote.
    Open,
    /// Between characters, behind so many bytes of the mark that closes a call. The whole of it may not stand in a
    /// string, since readers look for the first one; `<\/tool_call>` says the same.
    Body(u8),
    /// Behind a backslash.
    Escape,
    /// Behind `\u`.
    HexFirst,
    /// Behind `\ud`: surrogates, which need a partner, are left out; the characters can be written as they are.
    HexPlain,
    /// So many hex digits are to come.
    Hex(u8),
    /// So many continuation bytes are to come.
    Rest(u8),
    /// Behind a first byte that leaves out some second ones, which must be in this range; then so many.
    Second(u8, u8, u8),
}

/// What a byte does to a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// It may not stand there.
    Dead,
    /// It goes on.
    On(T),
    /// The string is closed.
    Closed,
}

impl Text {
    pub(super) fn step(self, byte: u8) -> Step<Self> {
        let on = |is: bool, next: Self| if is { Step::On(next) } else { Step::Dead };
        let rest = |left: u8| if left == 0 { Self::Body(0) } else { Self::Rest(left) };
        match self {
            Self::Open => on(byte == b'"', Self::Body(0)),
            Self::Body(matched) => match byte {
                b'"' => Step::Closed,
                b'\\' => Step::On(Self::Escape),
                0x20..=0x7f => Self::plain(matched, byte),
                0xc2..=0xdf => Step::On(Self::Rest(1)),
                0xe0 => Step::On(Self::Second(0xa0, 0xbf, 1)),
                0xed => Step::On(Self::Second(0x80, 0x9f, 1)),
                0xe1..=0xef => Step::On(Self::Rest(2)),
                0xf0 => Step::On(Self::Second(0x90, 0xbf, 2)),
                0xf4 => Step::On(Self::Second(0x80, 0x8f, 2)),
                0xf1..=0xf3 => Step::On(Self::Rest(3)),
                _ => Step::Dead,
            },
            Self::Escape => match byte {
                b'u' => Step::On(Self::HexFirst),
                _ => on(br#""\/bfnrt"#.contains(&byte), Self::Body(0)),
            },
            Self::HexFirst if matches!(byte, b'd' | b'D') => Step::On(Self::HexPlain),
            Self::HexFirst => on(byte.is_ascii_hexdigit(), Self::Hex(3)),
            Self::HexPlain => on(matches!(byte, b'0'..=b'7'), Self::Hex(2)),
            Self::Hex(left) => on(
                byte.is_ascii_hexdigit(),
                if left == 1 { Self::Body(0) } else { Self::Hex(left - 1) },
            ),
            Self::Rest(left) => on(matches!(byte, 0x80..=0xbf), rest(left - 1)),
            Self::Second(low, high, left) => on((low..=high).contains(&byte), rest(left)),
        }
    }

    fn plain(matched: u8, byte: u8) -> Step<Self> {
        let mark = CALL_CLOSE.as_bytes();
        // The mark begins with the only `<` in it.
        let matched = match mark.get(usize::from(matched)) {
            Some(next) if *next == byte => matched + 1,
            _ => u8::from(byte == mark[0]),
        };
        if usize::from(matched) == mark.len() { Step::Dead } else { Step::On(Self::Body(matched)) }
    }
}

/// Where in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Number {
    /// Before it.
    Start,
    /// Behind its sign.
    Signed,
    /// Behind a whole part of 0.
    Zero,
    /// So many digits of a whole part.
    Whole(u8),
    /// Behind the point.
    Point,
    /// So many digits of a fraction.
    Fraction(u8),
    /// Behind `e`.
    Exponent,
    /// Behind the exponent's sign.
    ExponentSigned,
    /// So many digits of the exponent.
    Power(u8),
}

impl Number {
    /// The next place; none where the byte may not stand. An integer has no point, no exponent and no `-0`.
    pub(super) fn step(self, byte: u8, integer: bool) -> Option<Self> {
        let digit = byte.is_ascii_digit();
        let next = match (self, byte) {
            (Self::Start, b'-') => Self::Signed,
            (Self::Start, b'0') => Self::Zero,
            (Self::Signed, b'0') if !integer => Self::Zero,
            (Self::Start | Self::Signed, b'1'..=b'9') => Self::Whole(1),
            (Self::Whole(count), _) if digit && count < DIGITS_MAX => Self::Whole(count + 1),
            (Self::Zero | Self::Whole(_), b'.') if !integer => Self::Point,
            (Self::Zero | Self::Whole(_) | Self::Fraction(_), b'e' | b'E') if !integer => {
                Self::Exponent
            }
            (Self::Point, _) if digit => Self::Fraction(1),
            (Self::Fraction(count), _) if digit && count < DIGITS_MAX => Self::Fraction(count + 1),
            (Self::Exponent, b'+' | b'-') => Self::ExponentSigned,
            (Self::Exponent | Self::ExponentSigned, _) if digit => Self::Power(1),
            (Self::Power(count), _) if digit && count < POWER_DIGITS_MAX => Self::Power(count + 1),
            _ => return None,
        };
        Some(next)
    }

    /// Whether the number may end here.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Whole(_) | Self::Fraction(_) | Self::Power(_))
    }
}
