//! wcodec behind the trait of its peers, from memory to memory.

use crate::{Codec, Input};
use anyhow::{Context, ensure};
use rayon::prelude::*;
use std::io::Cursor;
use wcodec::checkpoint::{ImportOptions, Source, import_into};
use wcodec::{Effort, FloatElement, Limits, Reader, TensorId};

/// A whole container.
#[derive(Debug, Default)]
pub struct Wcodec {
    effort: Effort,
    container: Vec<u8>,
    opened: Option<Opened>,
}

/// A container in memory.
#[derive(Debug)]
struct Opened {
    reader: Reader,
    /// The tensors, in the order of their bytes in the input.
    order: Vec<TensorId>,
}

impl Wcodec {
    /// A codec that encodes with this effort.
    pub fn new(effort: Effort) -> Self {
        Self {
            effort,
            ..Self::default()
        }
    }

    /// Decodes every tensor into floats of type `T`, all of them in `out`, tensor after tensor.
    ///
    /// # Errors
    ///
    /// When nothing was opened, when a tensor is no float tensor, when `out` is not as long as the tensors.
    pub fn decode_floats<T: FloatElement>(&self, out: &mut [T]) -> anyhow::Result<()> {
        let opened = self.opened()?;
        let elements = |id| opened.reader.info(id).num_elems();
        opened
            .pieces(out, elements)?
            .into_par_iter()
            .try_for_each(|(id, out)| {
                opened.reader.decode_floats(id, out)?;
                Ok(())
            })
    }

    fn opened(&self) -> anyhow::Result<&Opened> {
        self.opened
            .as_ref()
            .context("nothing was encoded and opened")
    }
}

impl Opened {
    /// `out` cut into the tensors' shares.
    fn pieces<'a, T>(
        &self,
        out: &'a mut [T],
        len: impl Fn(TensorId) -> u64,
    ) -> anyhow::Result<Vec<(TensorId, &'a mut [T])>> {
        let mut rest = out;
        let mut pieces = Vec::with_capacity(self.order.len());
        for &id in &self.order {
            let (here, after) = rest
                .split_at_mut_checked(usize::try_from(len(id))?)
                .context("output too short")?;
            pieces.push((id, here));
            rest = after;
        }
        ensure!(rest.is_empty(), "output too long");
        Ok(pieces)
    }
}

impl Codec for Wcodec {
    fn name(&self) -> String {
        let name = match self.effort {
            Effort::Fast => "wcodec fast",
            Effort::Default => "wcodec",
            Effort::Max => "wcodec max",
        };
        name.to_owned()
    }

    fn encode(&mut self, input: &Input) -> anyhow::Result<()> {
        let options = ImportOptions {
            effort: self.effort,
            ..Default::default()
        };
        let source = Source::Safetensors {
            name: "model.safetensors",
            bytes: &input.safetensors,
        };
        // The memory of the container before, so that none is asked for while time is taken.
        let mut sink = Cursor::new(std::mem::take(&mut self.container));
        sink.get_mut().clear();
        import_into(source, &mut sink, &options)?;
        self.container = sink.into_inner();
        Ok(())
    }

    fn open(&mut self) -> anyhow::Result<()> {
        let reader = Reader::new(self.container.clone(), &Limits::default())?;
        let mut order: Vec<TensorId> = reader.ids().collect();
        order.sort_by_key(|id| reader.info(*id).data_offset);
        self.opened = Some(Opened { reader, order });
        Ok(())
    }

    fn coded_bytes(&self) -> u64 {
        self.container.len() as u64
    }

    fn decode(&self, out: &mut [u8]) -> anyhow::Result<()> {
        let opened = self.opened()?;
        let bytes = |id| opened.reader.info(id).raw_bytes;
        opened
            .pieces(out, bytes)?
            .into_par_iter()
            .try_for_each(|(id, out)| {
                opened.reader.decode_bytes(id, out)?;
                Ok(())
            })
    }
}
