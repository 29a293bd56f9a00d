//! The trait that wcodec and its peers stand behind, and codecs of independent blocks.

use crate::peers::{Lz4, Memcpy, Pco, Split, Zstd};
use crate::{Format, Input};
use anyhow::ensure;
use rayon::prelude::*;

/// Bytes that a peer codes at a time: enough blocks for every thread, each longer than the peers' windows.
const BLOCK_BYTES: usize = 4 << 20;

/// A codec that keeps what it encoded. Both directions run on the current rayon pool.
pub trait Codec: Send + Sync {
    /// Its name in tables.
    fn name(&self) -> String;

    /// Encodes the input and keeps the result, in the place of the one before.
    ///
    /// # Errors
    ///
    /// The codec's own.
    fn encode(&mut self, input: &Input) -> anyhow::Result<()>;

    /// What has to be done once before decoding, and is not decoding.
    ///
    /// # Errors
    ///
    /// The codec's own.
    fn open(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Length of what was encoded.
    fn coded_bytes(&self) -> u64;

    /// Decodes all of it into `out`, which is as long as the input.
    ///
    /// # Errors
    ///
    /// The codec's own.
    fn decode(&self, out: &mut [u8]) -> anyhow::Result<()>;
}

impl dyn Codec + '_ {
    /// Encodes, opens, decodes into a dirty buffer and compares: nothing is timed before its output is known to be
    /// right.
    ///
    /// # Errors
    ///
    /// The codec's own, or that the bytes differ.
    pub fn verify(&mut self, input: &Input, out: &mut [u8]) -> anyhow::Result<()> {
        self.encode(input)?;
        self.open()?;
        out.fill(0xa5);
        self.decode(out)?;
        ensure!(out == input.raw(), "{} gives back other bytes", self.name());
        Ok(())
    }
}

/// A codec of one run of bytes.
pub(crate) trait BlockCodec: Send + Sync {
    fn name(&self) -> String;
    fn encode(&self, raw: &[u8]) -> anyhow::Result<Vec<u8>>;
    fn decode(&self, coded: &[u8], out: &mut [u8]) -> anyhow::Result<()>;
}

/// A [`Codec`] of blocks that are coded one by one, each thread its own.
#[derive(Debug)]
pub struct Blocks<C> {
    codec: C,
    blocks: Vec<Vec<u8>>,
}

impl<C> Blocks<C> {
    pub(crate) fn new(codec: C) -> Self {
        Self {
            codec,
            blocks: Vec::new(),
        }
    }
}

impl<C: BlockCodec> Codec for Blocks<C> {
    fn name(&self) -> String {
        self.codec.name()
    }

    fn encode(&mut self, input: &Input) -> anyhow::Result<()> {
        let blocks = input
            .raw()
            .par_chunks(BLOCK_BYTES)
            .map(|raw| self.codec.encode(raw));
        self.blocks = blocks.collect::<anyhow::Result<_>>()?;
        Ok(())
    }

    fn coded_bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.len() as u64).sum()
    }

    fn decode(&self, out: &mut [u8]) -> anyhow::Result<()> {
        let pairs = out.par_chunks_mut(BLOCK_BYTES).zip(&self.blocks);
        pairs.try_for_each(|(out, coded)| self.codec.decode(coded, out))
    }
}

/// What wcodec is measured against, a plain copy first.
pub fn peers(format: Format) -> Vec<Box<dyn Codec>> {
    let mut peers: Vec<Box<dyn Codec>> = vec![
        Box::new(Memcpy::default()),
        Box::new(Blocks::new(Zstd { level: 1 })),
        Box::new(Blocks::new(Zstd { level: 3 })),
        Box::new(Blocks::new(Lz4)),
        Box::new(Blocks::new(Pco { format })),
    ];
    if format.element_bytes() > 1 {
        peers.push(Box::new(Blocks::new(Split {
            element_bytes: format.element_bytes(),
            level: 1,
        })));
    }
    peers
}
