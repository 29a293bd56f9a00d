//! How often each symbol occurs, and which bits occur at all: one pass over the samples.

use crate::entropy::rans::Symbol;
use crate::entropy::simd::{Isa, Work};
use crate::samples::{Mapping, Sample, Split};
use rayon::prelude::*;

/// Samples looked at a time: their symbols stay in the first-level cache until they are counted.
const BLOCK_SAMPLES: usize = 4096;
/// Samples counted in a row where not all are.
const RUN_SAMPLES: usize = 256;

/// Bytes that stay in the second-level cache until they are hashed.
const WINDOW_BYTES: usize = 1 << 18;

/// How a sample becomes what is counted: its magnitude without the lowest bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct SymbolForm {
    pub(super) mapping: Mapping,
    pub(super) shift: u32,
    pub(super) bits: u32,
}

/// What is in each chunk.
#[derive(Debug)]
pub(super) struct Measured {
    /// The bits set in any magnitude.
    pub(super) seen_bits: u64,
    /// Of each chunk, by symbol.
    pub(super) counts: Vec<Vec<u32>>,
}

/// The bits set in any magnitude of `chunks`.
pub(super) fn seen_bits<S: Sample>(chunks: &[&[u8]], mapping: Mapping) -> u64 {
    let isa = Isa::chosen();
    let seen = |&raw: &&[u8]| {
        let sample = std::marker::PhantomData::<S>;
        let union = isa.run(SeenBits {
            raw,
            mapping,
            sample,
        });
        union.widen()
    };
    chunks.par_iter().map(seen).reduce(|| 0, |a, b| a | b)
}

/// Measures every chunk. All samples are looked at, one run in `one_in` is counted. `and_then` is called with the
/// lengths of runs of chunks, in order: where there is one thread, while a run is still in its cache, else at the same
/// time.
pub(super) fn measure<S: Sample>(
    chunks: &[&[u8]],
    form: SymbolForm,
    one_in: usize,
    and_then: &mut (dyn FnMut(usize) + Send),
) -> Measured {
    let isa = Isa::chosen();
    let measure = |raw: &&[u8]| {
        if form.bits <= 8 {
            let mut counter = NarrowCounter::new();
            let seen = measure_chunk::<S, u8>(isa, (raw, form), |run| counter.count(run), one_in);
            (seen, counter.finish(form.bits))
        } else {
            let mut counts = vec![0; 1 << form.bits];
            let count = |run: &[u16]| {
                run.iter()
                    .for_each(|&symbol| counts[usize::from(symbol)] += 1);
            };
            (
                measure_chunk::<S, u16>(isa, (raw, form), count, one_in),
                counts,
            )
        }
    };
    let window = match (rayon::current_num_threads(), chunks.first()) {
        (1, Some(first)) => (WINDOW_BYTES / first.len()).max(1),
        _ => chunks.len().max(1),
    };
    let mut measured = Measured {
        seen_bits: 0,
        counts: Vec::with_capacity(chunks.len()),
    };
    for window in chunks.chunks(window) {
        let (found, ()) = rayon::join(
            || window.par_iter().map(measure).collect::<Vec<_>>(),
            || and_then(window.iter().map(|raw| raw.len()).sum()),
        );
        for (seen, counts) in found {
            measured.seen_bits |= seen;
            measured.counts.push(counts);
        }
    }
    measured
}

/// Passes runs of symbols to `count`; returns the bits set in any magnitude.
fn measure_chunk<S: Sample, Y: Symbol>(
    isa: Isa,
    (raw, form): (&[u8], SymbolForm),
    mut count: impl FnMut(&[Y]),
    one_in: usize,
) -> u64 {
    let mut symbols = [Y::default(); BLOCK_SAMPLES];
    let mut seen = S::ZERO;
    for raw in raw.chunks(BLOCK_SAMPLES * S::BYTES) {
        let sample = std::marker::PhantomData::<S>;
        if one_in == 1 {
            let symbols = &mut symbols[..raw.len() / S::BYTES];
            seen = seen.union(isa.run(ToSymbols {
                raw,
                form,
                symbols,
                sample,
            }));
            count(symbols);
            continue;
        }
        seen = seen.union(isa.run(SeenBits {
            raw,
            mapping: form.mapping,
            sample,
        }));
        for raw in raw.chunks(RUN_SAMPLES * S::BYTES).step_by(one_in) {
            let symbols = &mut symbols[..raw.len() / S::BYTES];
            isa.run(ToSymbols {
                raw,
                form,
                symbols,
                sample,
            });
            count(symbols);
        }
    }
    seen.widen()
}

/// The bits set in any magnitude of a block.
struct SeenBits<'a, S> {
    raw: &'a [u8],
    mapping: Mapping,
    sample: std::marker::PhantomData<S>,
}

impl<S: Sample> Work for SeenBits<'_, S> {
    type Output = S;

    #[inline(always)]
    fn run(self) -> S {
        let split = Split {
            mapping: self.mapping,
            symbol_bits: 0,
            stored_bits: 0,
            zero_bits: 0,
        };
        split.with_known_mapping(|split| {
            let samples = self.raw.chunks_exact(S::BYTES).map(S::from_bytes);
            samples.fold(S::ZERO, |seen, sample| {
                seen.union(sample.magnitude(split.mapping))
            })
        })
    }
}

/// Symbols of a block, and the bits set in any magnitude.
struct ToSymbols<'a, S, Y> {
    raw: &'a [u8],
    form: SymbolForm,
    symbols: &'a mut [Y],
    sample: std::marker::PhantomData<S>,
}

impl<S: Sample, Y: Symbol> Work for ToSymbols<'_, S, Y> {
    type Output = S;

    #[inline(always)]
    fn run(self) -> S {
        let split = Split {
            mapping: self.form.mapping,
            symbol_bits: 0,
            stored_bits: 0,
            zero_bits: 0,
        };
        split.with_known_mapping(|split| {
            let samples = self.raw.chunks_exact(S::BYTES).map(S::from_bytes);
            let mut seen = S::ZERO;
            for (symbol, sample) in self.symbols.iter_mut().zip(samples) {
                let magnitude = sample.magnitude(split.mapping);
                seen = seen.union(magnitude);
                *symbol = Y::truncate(magnitude.bits_at(self.form.shift));
            }
            seen
        })
    }
}

/// Eight counters a symbol: repeated symbols do not wait for one another.
struct NarrowCounter([[u32; 256]; 8]);

impl NarrowCounter {
    fn new() -> Self {
        Self([[0; 256]; 8])
    }

    fn count(&mut self, symbols: &[u8]) {
        let (eights, rest) = symbols.as_chunks::<8>();
        for eight in eights {
            for (counts, &symbol) in self.0.iter_mut().zip(eight) {
                counts[usize::from(symbol)] += 1;
            }
        }
        for &symbol in rest {
            self.0[0][usize::from(symbol)] += 1;
        }
    }

    fn finish(&self, bits: u32) -> Vec<u32> {
        let sum = |symbol: usize| self.0.iter().map(|counts| counts[symbol]).sum();
        (0..1 << bits).map(sum).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_counted_once() {
        let samples: Vec<u16> = (0..10_000u32)
            .map(|i| u16::try_from(i * i % 0x7f00).unwrap())
            .collect();
        let raw: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        for (shift, bits) in [(7, 8), (4, 11)] {
            let form = SymbolForm {
                mapping: Mapping::Float,
                shift,
                bits,
            };
            let measured = measure::<u16>(&[&raw], form, 1, &mut |_| {});
            let mut expected = vec![0; 1 << bits];
            samples
                .iter()
                .for_each(|&s| expected[usize::from(s >> shift)] += 1);
            assert_eq!(measured.counts, [expected]);
            assert_eq!(
                measured.seen_bits,
                samples.iter().fold(0, |a, &s| a | u64::from(s))
            );
            let sampled = measure::<u16>(&[&raw], form, 4, &mut |_| {});
            assert_eq!(sampled.seen_bits, measured.seen_bits);
            // 4, 4 and 2 runs of three blocks.
            assert_eq!(sampled.counts[0].iter().sum::<u32>(), 10 * 256);
        }
    }
}
