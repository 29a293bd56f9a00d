//! The element types of a safetensors checkpoint.

use crate::error::ErrorKind;
use crate::samples::SampleForm;
use std::fmt;

macro_rules! dtypes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $bits:literal bits, $form:expr;)*) => {
        /// An element type, with the names and bit layouts of safetensors 0.8.
        ///
        /// The discriminant is the id in the file (FORMAT.md, section 3.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Dtype { $($(#[$doc])* $name = $id,)* }

        impl Dtype {
            /// Every element type, by id.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name that a safetensors header uses.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Bits of one element: 4, 6, 8, 16, 32 or 64.
            pub fn bits(self) -> u64 {
                match self { $(Self::$name => $bits,)* }
            }

            /// How the bytes of such a tensor become samples.
            pub(crate) fn sample_form(self) -> SampleForm {
                match self { $(Self::$name => $form,)* }
            }
        }

        impl TryFrom<u8> for Dtype {
            type Error = ErrorKind;
            fn try_from(id: u8) -> Result<Self, ErrorKind> {
                match id {
                    $($id => Ok(Self::$name),)*
                    _ => Err(ErrorKind::UnsupportedFeature { what: "dtype", id: u32::from(id) }),
                }
            }
        }

        impl TryFrom<safetensors::Dtype> for Dtype {
            type Error = ErrorKind;
            fn try_from(dtype: safetensors::Dtype) -> Result<Self, ErrorKind> {
                match dtype {
                    $(safetensors::Dtype::$name => Ok(Self::$name),)*
                    _ => Err(ErrorKind::InvalidArgument { what: "a dtype newer than this build" }),
                }
            }
        }

        impl From<Dtype> for safetensors::Dtype {
            fn from(dtype: Dtype) -> Self {
                match dtype { $(Dtype::$name => Self::$name,)* }
            }
        }
    };
}

dtypes! {
    /// One byte, 0 or 1.
    BOOL = 1, 8 bits, SampleForm::unsigned(1);
    /// Unsigned integer, 8 bits.
    U8 = 2, 8 bits, SampleForm::unsigned(1);
    /// Signed integer, 8 bits.
    I8 = 3, 8 bits, SampleForm::signed(1);
    /// Unsigned integer, 16 bits.
    U16 = 4, 16 bits, SampleForm::unsigned(2);
    /// Signed integer, 16 bits.
    I16 = 5, 16 bits, SampleForm::signed(2);
    /// Unsigned integer, 32 bits.
    U32 = 6, 32 bits, SampleForm::unsigned(4);
    /// Signed integer, 32 bits.
    I32 = 7, 32 bits, SampleForm::signed(4);
    /// Unsigned integer, 64 bits.
    U64 = 8, 64 bits, SampleForm::unsigned(8);
    /// Signed integer, 64 bits.
    I64 = 9, 64 bits, SampleForm::signed(8);
    /// IEEE 754 binary16.
    F16 = 10, 16 bits, SampleForm::float(2, 10);
    /// bfloat16: the upper half of binary32.
    BF16 = 11, 16 bits, SampleForm::float(2, 7);
    /// IEEE 754 binary32.
    F32 = 12, 32 bits, SampleForm::float(4, 23);
    /// IEEE 754 binary64.
    F64 = 13, 64 bits, SampleForm::float(8, 52);
    /// Complex, two binary32.
    C64 = 14, 64 bits, SampleForm::float(4, 23);
    /// FP8, 5 exponent bits.
    #[expect(non_camel_case_types, reason = "the safetensors name")]
    F8_E5M2 = 15, 8 bits, SampleForm::unsigned(1);
    /// FP8, 4 exponent bits.
    #[expect(non_camel_case_types, reason = "the safetensors name")]
    F8_E4M3 = 16, 8 bits, SampleForm::unsigned(1);
    /// Power-of-two scale, 8 exponent bits.
    #[expect(non_camel_case_types, reason = "the safetensors name")]
    F8_E8M0 = 17, 8 bits, SampleForm::unsigned(1);
    /// FP8, 4 exponent bits, no negative zero.
    #[expect(non_camel_case_types, reason = "the safetensors name")]
    F8_E4M3FNUZ = 18, 8 bits, SampleForm::unsigned(1);
    /// FP8, 5 exponent bits, no negative zero.
    #[expect(non_camel_case_types, reason = "the safetensors name")]
    F8_E5M2FNUZ = 19, 8 bits, SampleForm::unsigned(1);
    /// FP6, 2 exponent bits, four elements in three bytes.
    #[expect(non_camel_case_types, reason = "the safetensors name")]
    F6_E2M3 = 20, 6 bits, SampleForm::unsigned(1);
    /// FP6, 3 exponent bits, four elements in three bytes.
    #[expect(non_camel_case_types, reason = "the safetensors name")]
    F6_E3M2 = 21, 6 bits, SampleForm::unsigned(1);
    /// FP4, two elements a byte.
    F4 = 22, 4 bits, SampleForm::unsigned(1);
}

impl Dtype {
    /// Length in bytes of `num_elems` elements, or `None` if they do not fill whole bytes or overflow.
    pub fn bytes_of(self, num_elems: u64) -> Option<u64> {
        let bits = num_elems.checked_mul(self.bits())?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_safetensors() {
        assert_eq!(Dtype::ALL.len(), 22);
        for &dtype in Dtype::ALL {
            let theirs = safetensors::Dtype::from(dtype);
            assert_eq!(Dtype::try_from(theirs).unwrap(), dtype);
            assert_eq!(dtype.bits(), theirs.bitsize() as u64);
            assert_eq!(
                serde_json::to_string(&theirs).unwrap(),
                format!("\"{dtype}\"")
            );
            assert_eq!(Dtype::try_from(dtype as u8).unwrap(), dtype);
        }
        assert!(Dtype::try_from(0).is_err() && Dtype::try_from(23).is_err());
    }
}
