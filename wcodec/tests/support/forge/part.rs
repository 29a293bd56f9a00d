//! A part taken apart: its entry in the index, its chunks and its tables.

use super::super::naive_decoder as naive;

#[derive(Debug, Clone)]
pub(crate) struct ForgedPart {
    pub(crate) fields: naive::Part,
    pub(crate) plane: u8,
    pub(crate) reserved: u16,
    /// The payload of a stored or constant part.
    pub(crate) raw: Vec<u8>,
    pub(crate) chunks: Vec<ForgedChunk>,
    /// The number of tables and the tables.
    pub(crate) tables: Vec<u8>,
    /// The record of a part with tools.
    pub(crate) record: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct ForgedChunk {
    /// Length and checksum of the coded bytes are set when the file is laid out; so is the
    /// other checksum in mode coded, but of parts with tools, where it is a length.
    pub(crate) entry: naive::Chunk,
    /// Without padding.
    pub(crate) coded: Vec<u8>,
    pub(crate) coded_padding: u8,
    /// With padding.
    pub(crate) planes: Vec<Vec<u8>>,
}

impl ForgedPart {
    /// A part of which only the entry matters.
    pub(crate) fn of(fields: naive::Part) -> Self {
        Self {
            fields,
            plane: 0,
            reserved: 0,
            raw: vec![],
            chunks: vec![],
            tables: vec![],
            record: vec![],
        }
    }

    pub(super) fn open(file: &[u8], tensor: &naive::Tensor, part: &naive::Part) -> Self {
        let payload = naive::payload_of(file, part);
        let mut forged = Self {
            raw: payload.to_vec(),
            ..Self::of(*part)
        };
        if part.has_chunks() {
            let table = &payload[payload.len() - part.table_len as usize..];
            let (entries, tables) = naive::read_table(table, tensor, part).unwrap();
            let slices = naive::chunk_slices(payload, part, &entries).unwrap();
            forged.raw.clear();
            let record_len = if part.method == 3 {
                let (_, record) = naive::parse_tables(tables, part.symbol_bits).unwrap();
                record.len()
            } else {
                0
            };
            let (tables, record) = tables.split_at(tables.len() - record_len);
            (forged.tables, forged.record) = (tables.to_vec(), record.to_vec());
            forged.chunks = std::iter::zip(entries, slices)
                .map(|(entry, naive::Slices { coded, planes })| ForgedChunk {
                    entry,
                    coded: coded[..entry.coded_len as usize].to_vec(),
                    coded_padding: 0,
                    planes: planes.into_iter().map(<[u8]>::to_vec).collect(),
                })
                .collect();
        }
        forged
    }

    /// The payload; sets lengths and checksums.
    pub(super) fn payload(&mut self) -> Vec<u8> {
        let mut payload = self.raw.clone();
        let mut table = Vec::new();
        for chunk in &mut self.chunks {
            let mut coded = chunk.coded.clone();
            coded.resize(coded.len().next_multiple_of(16), chunk.coded_padding);
            chunk.entry.coded_len = u32::try_from(chunk.coded.len()).unwrap();
            chunk.entry.coded_crc = crc32c::crc32c(&coded);
            if chunk.entry.mode == 0 && self.fields.method != 3 {
                chunk.entry.planes_crc = crc32c::crc32c(&chunk.planes.concat());
            }
            payload.extend(coded);
            let entry = chunk.entry;
            table.extend([entry.mode, entry.table]);
            table.extend(entry.escapes.to_le_bytes());
            [entry.coded_len, entry.coded_crc, entry.planes_crc]
                .iter()
                .for_each(|field| table.extend(field.to_le_bytes()));
        }
        for plane in 0..self
            .chunks
            .iter()
            .map(|chunk| chunk.planes.len())
            .max()
            .unwrap_or(0)
        {
            let chunks = self
                .chunks
                .iter()
                .filter_map(|chunk| chunk.planes.get(plane));
            chunks.for_each(|plane| payload.extend(plane));
        }
        table.extend(&self.tables);
        table.extend(&self.record);
        payload.extend(&table);
        self.fields.len = payload.len() as u64;
        self.fields.table_len = u32::try_from(table.len()).unwrap();
        self.fields.crc = crc32c::crc32c(if self.fields.has_chunks() {
            &table
        } else {
            &payload
        });
        payload
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let part = &self.fields;
        out.extend([
            part.method,
            self.plane,
            part.mapping,
            part.symbol_bits,
            part.stored_bits,
            part.zero_bits,
        ]);
        out.extend(self.reserved.to_le_bytes());
        [part.first_chunk, part.num_chunks]
            .iter()
            .for_each(|field| out.extend(field.to_le_bytes()));
        [part.offset, part.len]
            .iter()
            .for_each(|field| out.extend(field.to_le_bytes()));
        [part.table_len, part.crc]
            .iter()
            .for_each(|field| out.extend(field.to_le_bytes()));
    }
}
