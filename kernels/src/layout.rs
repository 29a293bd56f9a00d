//! What host and kernels agree on besides the format: the records of a work list, and the ids in them. The C header is
//! generated from here.

use std::fmt::Write;

/// A field of a record, the same in Rust and in C.
trait Field {
    /// The field as C declares it.
    fn declaration(name: &str) -> String;
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! impl_field {
    ($($ty:ty = $c:literal;)*) => {$(
        impl Field for $ty {
            fn declaration(name: &str) -> String {
                format!("{} {name}", $c)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
    )*};
}

impl_field! { u8 = "uint8_t"; u16 = "uint16_t"; u32 = "uint32_t"; u64 = "uint64_t"; }

impl<T: Field, const N: usize> Field for [T; N] {
    fn declaration(name: &str) -> String {
        format!("{}[{N}]", T::declaration(name))
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|field| field.write(out));
    }
}

macro_rules! records {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident = $c:literal { $($(#[doc = $field_doc:literal])+ $field:ident: $ty:ty,)* }
    )*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
            #[repr(C)]
            pub(crate) struct $name { $($(#[doc = $field_doc])+ pub(crate) $field: $ty,)* }

            // Without padding, and a multiple of what loads are aligned to.
            const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$ty>())* && size_of::<$name>() % ALIGN == 0);

            impl $name {
                /// Appends the record.
                pub(crate) fn write(&self, out: &mut Vec<u8>) {
                    $(self.$field.write(out);)*
                }
            }
        )*

        fn write_records(text: &mut String) {
            $(
                text.push('\n');
                $(let _ = writeln!(text, "//{}", $doc);)+
                let _ = writeln!(text, "struct {} {{", $c);
                $(
                    let declaration = <$ty as Field>::declaration(stringify!($field));
                    let _ = writeln!(text, "    {declaration}; //{}", concat!($($field_doc,)+));
                )*
                let size = size_of::<$name>();
                let _ = writeln!(text, "}};\nstatic_assert(sizeof({}) == {size}, \"as the host writes it\");", $c);
            )*
        }
    };
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident = $value:literal;)*) => {
        $($(#[doc = $doc])+ pub(crate) const $name: u32 = $value;)*

        fn write_ids(text: &mut String) {
            $(
                text.push('\n');
                $(let _ = writeln!(text, "//{}", $doc);)+
                let _ = writeln!(text, "#define WCODEC_{} {}", stringify!($name), $name);
            )*
        }
    };
}

ids! {
    /// Places in a work list are counted in so many bytes.
    PLACE_BYTES = 16;
    /// Most planes of a sample: of 1, 2, 4 and 8 bits, and three of 16.
    MAX_PLANES = 7;
    /// Warps of a block, each with a chunk of its own.
    GROUP_CHUNKS = 8;
    /// Warps of a block of the kernels for tools.
    TOOLS_GROUP_CHUNKS = 4;
    /// Status: the states are not there, or one is below the lower bound.
    STATUS_STATES = 1;
    /// Status: words are missing or left over, or a state ends elsewhere than it must.
    STATUS_WORDS = 2;
    /// Status: a position of an escape does not rise or is not there, or a literal is no symbol.
    STATUS_ESCAPE = 3;
    /// Status: more or fewer bits than the classes have, or bits that are not zero after them.
    STATUS_BITS = 4;
    /// Status: a predictor that there is not.
    STATUS_PREDICTOR = 5;
    /// Conversion: none.
    CONVERT_NONE = 0;
    /// Conversion: BF16 to F16.
    CONVERT_BF16_TO_F16 = 1;
    /// Conversion: BF16 to F32.
    CONVERT_BF16_TO_F32 = 2;
    /// Conversion: F16 to BF16.
    CONVERT_F16_TO_BF16 = 3;
    /// Conversion: F16 to F32.
    CONVERT_F16_TO_F32 = 4;
    /// Conversion: F32 to BF16.
    CONVERT_F32_TO_BF16 = 5;
    /// Conversion: F32 to F16.
    CONVERT_F32_TO_F16 = 6;
    /// No order: samples are what is classified.
    NO_ORDER = 255;
}

/// Alignment of every record.
pub(crate) const ALIGN: usize = PLACE_BYTES as usize;

records! {
    /// What one block decodes.
    Group = "WcodecGroup" {
        /// Place of its first chunk; the others follow.
        first: u32,
        /// Its chunks.
        count: u32,
        /// Place of their table or code book.
        table: u32,
        /// 0.
        unused: u32,
    }

    /// What one warp decodes.
    Chunk = "WcodecChunk" {
        /// Device address of its first element.
        output: u64,
        /// Offset of its part's payload in the payload buffer.
        payload: u64,
        /// Offset of its own memory in the scratch buffer.
        scratch: u64,
        /// Offset of its coded bytes in the payload.
        coded: u32,
        /// Length of its coded bytes.
        coded_bytes: u32,
        /// Its samples.
        num_samples: u32,
        /// Its status slot.
        status: u32,
        /// Offset of each of its planes in the payload.
        planes: [u32; 7],
        /// Place of the record of its tools.
        tools: u32,
        /// Length of the bits, with tools.
        bits_bytes: u32,
        /// Its escapes.
        num_escapes: u16,
        /// Its mode.
        mode: u8,
        /// What happens to its elements.
        conversion: u8,
        /// Mapping of its samples.
        mapping: u8,
        /// Bits of a symbol.
        symbol_bits: u8,
        /// Stored bits.
        stored_bits: u8,
        /// Zero bits.
        zero_bits: u8,
        /// Place of its table or code book.
        table: u32,
        /// 0.
        unused: [u32; 2],
    }

    /// A frequency table: this, its buckets, the values of its codes.
    Table = "WcodecTable" {
        /// log2 of the number of buckets.
        buckets_log2: u32,
        /// Whether one symbol has all slots.
        is_single: u32,
        /// The value of code 0, where values are codes as much higher.
        base: u32,
        /// Whether values are looked up instead: 256 of two bytes, after the buckets.
        has_values: u32,
    }

    /// Slots of two symbols: of the first slot of each the frequency less one (12 bits from 20 on), the rank (12 bits
    /// from 8 on), the code.
    Bucket = "WcodecBucket" {
        /// Its own symbol's.
        own: u32,
        /// The other's.
        alias: u32,
        /// Slots of its own symbol.
        threshold: u32,
        /// 0.
        unused: u32,
    }

    /// A code book: this, then the values of its codes, 256 of two bytes.
    CodeBook = "WcodecCodeBook" {
        /// Bits of a code.
        code_bits: u32,
        /// 0.
        unused: [u32; 3],
    }

    /// What tools do: this, then the place of the table of each context, the values of the palette, 8 bytes each, and
    /// the factors.
    Tools = "WcodecTools" {
        /// Bits of a unit.
        unit_bits: u8,
        /// Order of samples, or none.
        order: u8,
        /// Predictor, or a recurrence, or one for each tile.
        predictor: u8,
        /// Transform.
        transform: u8,
        /// Kind of classes.
        classes: u8,
        /// Of floats: bits of the fraction.
        fraction_bits: u8,
        /// Of floats: zeros at its end.
        zero_bits: u8,
        /// Of floats: whether there are classes without these zeros.
        has_full: u8,
        /// Units of a row.
        row: u32,
        /// Number of classes.
        num_classes: u32,
        /// Kind of contexts.
        contexts: u32,
        /// Number of contexts.
        num_contexts: u32,
        /// Place of the values of the palette.
        palette: u32,
        /// Values of the palette.
        palette_len: u32,
        /// Place of the factors of a recurrence: as many as a row has units, 4 bytes each.
        factors: u32,
        /// Exponent bits of its floats.
        exponent_bits: u32,
        /// 0.
        unused: [u32; 2],
    }
}

/// The records and ids of a work list as a C header.
pub fn work_header() -> String {
    let mut text = String::from(
        "// The records of a work list. Generated from kernels/src/layout.rs; do not edit.\n\
         #ifndef WCODEC_WORK_H\n#define WCODEC_WORK_H\n\n#include <stdint.h>\n",
    );
    write_ids(&mut text); // writing to a String never fails
    write_records(&mut text);
    text.push_str("\n#endif\n");
    text
}
