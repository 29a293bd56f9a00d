//! Section 5.4: classes.

use super::{Bits, Fields, Refusal, must};

/// A kind of classes and what belongs to it.
pub(super) enum Classes {
    Values,
    Tokens,
    Palette(Vec<u64>),
    Float { f: u32, z: u32, h: u32 },
}

impl Classes {
    /// Of units of `n` bits.
    pub(super) fn read(fields: &mut Fields<'_>, n: u32) -> Result<Self, Refusal> {
        Ok(match fields.u8()? {
            0 => {
                must(n <= 14, "values of more than 14 bits")?;
                Self::Values
            }
            1 => {
                must(n >= 8, "tokens of less than 8 bits")?;
                Self::Tokens
            }
            2 => {
                must(n >= 8, "a palette of less than 8 bits")?;
                let num = u32::from(fields.u16()?) + 1;
                must(num <= 1 << 14, "more than 2^14 values of a palette")?;
                let values = (0..num)
                    .map(|_| fields.number(n as usize / 8))
                    .collect::<Result<Vec<u64>, _>>()?;
                must(values.is_sorted_by(|a, b| a < b), "values do not rise")?;
                Self::Palette(values)
            }
            3 => {
                let [f, z, h] = [fields.u8()?, fields.u8()?, fields.u8()?].map(u32::from);
                must(n >= 8, "floats of less than 8 bits")?;
                must(z <= f, "zeros of a fraction")?;
                must(h <= 1, "h of floats")?;
                must(f + 2 <= n && n - 1 - f <= 12, "fraction bits of floats")?;
                Self::Float { f, z, h }
            }
            _ => return Err("unknown kind of classes".into()),
        })
    }

    /// How many there are.
    pub(super) fn num(&self, n: u32) -> u32 {
        match self {
            Self::Values => 1 << n,
            Self::Tokens => match n {
                8 => 32,
                16 => 64,
                32 => 128,
                _ => 256,
            },
            Self::Palette(values) => values.len() as u32,
            Self::Float { f, h, .. } => 1 + (1 << (n - 1 - f + h)),
        }
    }

    /// The unit of `n` bits of a class, with its bits.
    pub(super) fn unit(&self, class: u16, n: u32, bits: &mut Bits<'_>) -> Result<u64, Refusal> {
        let c = u32::from(class);
        Ok(match self {
            Self::Values => c.into(),
            Self::Tokens if c < 16 => unzigzag(c.into(), n),
            Self::Tokens => {
                let q = c - 16;
                let e = q / 4 + 4;
                let b = e - 2;
                let upper = u64::from(4 + q % 4) << b;
                unzigzag(upper + bits.take(b)?, n)
            }
            Self::Palette(values) => values[usize::from(class)],
            Self::Float { .. } if c == 0 => 0,
            &Self::Float { f, z, h } => {
                let (exponent, zeros) = if h == 0 {
                    (c - 1, z)
                } else {
                    ((c - 1) / 2, if c % 2 == 1 { z } else { 0 })
                };
                let fraction = bits.take(f - zeros)? << zeros;
                let sign = bits.take(1)?;
                (sign << (n - 1)) + (u64::from(exponent) << f) + fraction
            }
        })
    }
}

/// Section 5.5, as the bits of the number.
fn unzigzag(z: u64, n: u32) -> u64 {
    let flipped = if !z.is_multiple_of(2) {
        u64::MAX >> (64 - n)
    } else {
        0
    };
    (z / 2) ^ flipped
}
