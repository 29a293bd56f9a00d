//! What a kernel says of a chunk that it could not decode.

use crate::layout::{STATUS_BITS, STATUS_ESCAPE, STATUS_PREDICTOR, STATUS_STATES, STATUS_WORDS};
use wcodec::ErrorKind;

/// What a status is before the first launch: no kernel decoded the chunk.
pub const NOT_DECODED: u32 = u32::MAX;

/// The error that a status other than 0 stands for: that of the CPU decoder for the same bytes, where there is one.
///
/// # Examples
///
/// ```
/// let error = wcodec_kernels::status_error(2);
/// assert_eq!(error.to_string(), "end of the rANS words breaks rule 6.3 of FORMAT.md");
/// ```
pub fn status_error(code: u32) -> ErrorKind {
    let malformed = |what, rule| ErrorKind::Malformed { what, rule };
    match code {
        STATUS_STATES => malformed("rANS states", "6.3"),
        STATUS_WORDS => malformed("end of the rANS words", "6.3"),
        STATUS_ESCAPE => malformed("escape", "4.3"),
        STATUS_BITS => malformed("number of bits of the classes", "4.4"),
        STATUS_PREDICTOR => ErrorKind::UnsupportedFeature {
            what: "predictor",
            id: 7, // the only one that three bits can say and that there is not
        },
        NOT_DECODED => ErrorKind::Device {
            what: "a chunk that no kernel decoded",
            code: -1,
        },
        _ => ErrorKind::Device {
            what: "decoding",
            code: i32::try_from(code).unwrap_or(i32::MAX),
        },
    }
}
