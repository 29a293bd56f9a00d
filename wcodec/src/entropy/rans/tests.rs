//! Every decoder of this machine against the symbols that were encoded, and so against the scalar one.

use super::decode::STATES_BYTES;
use super::{DecodeTable, Decoder, EncodeTable, Encoder, Table, Values};
use crate::entropy::histogram::normalise;
use crate::entropy::simd::{Isa, MAX_IN_FLIGHT};

/// The best table of `buckets_log2` for `symbols`, with an escape's frequency in the last place if asked.
fn table_of(symbols: &[u16], buckets_log2: u32, has_escape: bool) -> Table {
    let mut counts = vec![0u64; 1 << 14];
    symbols.iter().for_each(|&s| counts[usize::from(s)] += 1);
    let values: Vec<u16> = (0..1 << 14)
        .filter(|&v| counts[usize::from(v)] > 0)
        .collect();
    let mut counts: Vec<u64> = values.iter().map(|&v| counts[usize::from(v)]).collect();
    counts.extend(has_escape.then_some(1));
    Table {
        buckets_log2,
        has_escape,
        freqs: normalise(&counts),
        values,
    }
}

fn encode(table: &Table, symbols: &[u16]) -> Vec<u8> {
    let table = EncodeTable::new(table, 14);
    let mut encoder = Encoder::default();
    let encoded = encoder.encode(&table, symbols);
    let mut coded = vec![0; encoded.len()];
    encoded.write(&mut coded);
    coded
}

/// The symbols that codes stand for.
fn values(table: &DecodeTable, codes: &[u8]) -> Vec<u16> {
    let value = |&code: &u8| match table.values() {
        Values::Above(base) => base + u16::from(code),
        Values::Table(values) => values[usize::from(code)],
    };
    codes.iter().map(value).collect()
}

/// Symbols of a stream, by their number and a hash of it.
type Stream = (&'static str, u32, fn(u32, u32) -> u32);

/// Name, log2 of the buckets, symbols.
const STREAMS: [Stream; 9] = [
    ("geometric, as exponents are", 5, |_, hash| {
        100 + hash.leading_zeros()
    }),
    ("geometric in a large table", 8, |_, hash| {
        100 + hash.leading_zeros()
    }),
    ("31 even symbols", 5, |_, hash| hash % 31),
    ("200 even symbols", 8, |_, hash| hash % 200),
    ("one symbol", 5, |_, _| 7),
    ("one symbol of 14 bits", 8, |_, _| 16_383),
    ("wide symbols", 8, |i, hash| (hash >> 26) * 200 + i % 2),
    ("wide symbols close together", 8, |_, hash| 700 + hash % 130),
    ("nearly constant", 5, |i, _| u32::from(i % 1000 == 999)),
];

fn stream(symbol: fn(u32, u32) -> u32, len: usize, seed: u32) -> Vec<u16> {
    let hash = |i: u32| {
        (i ^ seed)
            .wrapping_mul(2_654_435_761)
            .rotate_left(13)
            .wrapping_mul(0x9e37_79b1)
    };
    let len = u32::try_from(len).unwrap();
    (0..len)
        .map(|i| u16::try_from(symbol(i, hash(i))).unwrap())
        .collect()
}

#[test]
fn every_path_decodes_every_stream_at_every_tail_length() {
    for (name, buckets_log2, symbol) in STREAMS {
        for len in (1..100).chain([4096, 5000, 32_768]) {
            let symbols = stream(symbol, len, 1);
            let table = table_of(&symbols, buckets_log2, len % 2 == 0);
            let coded = encode(&table, &symbols);
            for isa in Isa::available() {
                let prepared = DecodeTable::new(&table, isa);
                let mut decoder = Decoder::new(&prepared, &coded).unwrap();
                // Beside the codes lies what no decoder may touch.
                let mut codes = vec![0xaa; len + 128];
                let cut = len / 2 / 32 * 32;
                let (first, rest) = codes[64..64 + len].split_at_mut(cut);
                decoder.decode(first).unwrap();
                decoder.decode(rest).unwrap();
                decoder.finish().unwrap();
                assert_eq!(
                    values(&prepared, &codes[64..64 + len]),
                    symbols,
                    "{isa:?}, {name}, {len}"
                );
                assert!(
                    codes[..64]
                        .iter()
                        .chain(&codes[64 + len..])
                        .all(|&byte| byte == 0xaa)
                );
            }
        }
    }
}

#[test]
fn chunks_decoded_together_are_the_chunks_decoded_alone() {
    const LEN: usize = 2048;
    // Of one kind, and of all kinds mixed: then tables differ in form, and lengths in words.
    let kinds = (0..STREAMS.len()).map(|kind| [kind; MAX_IN_FLIGHT]);
    for kinds in kinds.chain([[0, 1, 2, 3], [0, 4, 0, 4], [4, 0, 7, 0], [3, 5, 6, 1]]) {
        for num_chunks in 1..=MAX_IN_FLIGHT {
            for isa in Isa::available() {
                let chunks: Vec<_> = (1..)
                    .zip(&kinds[..num_chunks])
                    .map(|(seed, &kind)| {
                        let (_, buckets_log2, symbol) = STREAMS[kind];
                        let symbols = stream(symbol, LEN + 33, seed);
                        let table = table_of(&symbols, buckets_log2, false);
                        let coded = encode(&table, &symbols);
                        (symbols, DecodeTable::new(&table, isa), coded)
                    })
                    .collect();
                let decoders = chunks
                    .iter()
                    .map(|(_, table, coded)| Decoder::new(table, coded));
                let mut decoders: Vec<_> = decoders.collect::<Result<_, _>>().unwrap();
                let mut codes = vec![[0; LEN]; num_chunks];
                Decoder::decode_together(&mut decoders, &mut codes).unwrap();
                for ((mut decoder, codes), (symbols, table, _)) in
                    decoders.into_iter().zip(codes).zip(&chunks)
                {
                    let mut rest = [0; 33];
                    decoder.decode(&mut rest).unwrap();
                    decoder.finish().unwrap();
                    let decoded = [values(table, &codes), values(table, &rest)].concat();
                    assert!(
                        decoded == *symbols,
                        "{isa:?}, {num_chunks} chunks of kinds {kinds:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_escape_stands_for_0_until_it_is_replaced() {
    // Bytes, values close together, and values that have to be looked up.
    for (first, step) in [(3, 1), (700, 1), (700, 90)] {
        let inside: Vec<u16> = (0..20).map(|i| first + i * step).collect();
        let table = table_of(&inside, 5, true);
        let symbols: Vec<u16> = inside
            .iter()
            .flat_map(|&value| [value, first - 1])
            .collect();
        let coded = encode(&table, &symbols);
        for isa in Isa::available() {
            let prepared = DecodeTable::new(&table, isa);
            let mut codes = vec![0xaa; symbols.len()];
            Decoder::new(&prepared, &coded)
                .unwrap()
                .decode(&mut codes)
                .unwrap();
            let expected: Vec<u16> = inside.iter().flat_map(|&value| [value, 0]).collect();
            assert_eq!(
                values(&prepared, &codes),
                expected,
                "{isa:?}, from {first} by {step}"
            );
        }
    }
}

#[test]
fn a_certain_symbol_costs_nothing() {
    let table = table_of(&[7], 5, false);
    assert_eq!(encode(&table, &[7; 1000]).len(), STATES_BYTES);
}

#[test]
fn words_that_run_out_or_stay_over_are_refused() {
    let symbols = stream(STREAMS[2].2, 1000, 1);
    let table = table_of(&symbols, 5, false);
    let coded = encode(&table, &symbols);
    for isa in Isa::available() {
        let prepared = DecodeTable::new(&table, isa);
        let run = |bytes: &[u8]| {
            let mut decoder = Decoder::new(&prepared, bytes)?;
            decoder.decode(&mut [0; 1000])?;
            decoder.finish()
        };
        assert!(run(&coded).is_ok());
        for len in 0..coded.len() {
            assert!(run(&coded[..len]).is_err(), "{isa:?}, {len} bytes");
        }
        assert!(run(&[&coded[..], &[0, 0]].concat()).is_err());
        assert!(run(&[&[0; 4], &coded[4..]].concat()).is_err());
        // One chunk that runs out fails the chunks beside it, which are decoded again alone.
        let cut = &coded[..coded.len() - 2];
        let pair = [&coded[..], cut].map(|bytes| Decoder::new(&prepared, bytes).unwrap());
        let mut outs = [[0; 992]; 2];
        let mut decoders = pair.clone();
        let together = Decoder::decode_together(&mut decoders, &mut outs);
        let ends: Vec<_> = decoders
            .iter_mut()
            .map(|decoder| decoder.decode(&mut [0; 8]).and_then(|()| decoder.finish()))
            .collect();
        assert!(
            together.is_err() || (ends[0].is_ok() && ends[1].is_err()),
            "{isa:?}"
        );
    }
}

#[test]
fn random_states_and_words_never_panic() {
    let symbols = stream(STREAMS[0].2, 3000, 9);
    let table = table_of(&symbols, 5, false);
    let noise: Vec<u8> = stream(STREAMS[3].2, 4000, 5)
        .into_iter()
        .map(|noise| noise.to_le_bytes()[0])
        .collect();
    for isa in Isa::available() {
        let prepared = DecodeTable::new(&table, isa);
        let scalar = DecodeTable::new(&table, Isa::Scalar);
        let run = |table: &DecodeTable, len: usize| {
            let mut bytes = noise[..len].to_vec();
            // States of at least 2^16, up to the highest.
            bytes[..STATES_BYTES]
                .chunks_mut(4)
                .for_each(|state| state[3] |= 0xc1);
            let mut codes = vec![0; 3000];
            let mut decoder = Decoder::new(table, &bytes).unwrap();
            let outcome = decoder.decode(&mut codes).and_then(|()| decoder.finish());
            outcome.map(|()| codes).map_err(|error| error.to_string())
        };
        for len in (STATES_BYTES..noise.len()).step_by(2) {
            assert_eq!(
                run(&prepared, len),
                run(&scalar, len),
                "{isa:?}, {len} bytes"
            );
        }
    }
}
