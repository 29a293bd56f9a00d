//! Containers taken apart, changed and put together again with every length, place and checksum right, so that
//! only the rule under test is broken.

pub(crate) mod part;
pub(crate) mod stream;

use part::ForgedPart;

use super::naive_decoder as naive;

/// A container whose every field can be set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forge {
    /// Number of source files, attachments and tensors, if not those that there are.
    pub(crate) counts: Option<[u32; 3]>,
    pub(crate) reserved: u32,
    pub(crate) sources: Vec<ForgedFile>,
    pub(crate) attachments: Vec<ForgedFile>,
    pub(crate) tensors: Vec<ForgedTensor>,
    pub(crate) after_last_tensor: Vec<u8>,
    /// What padding between regions is made of.
    pub(crate) padding: u8,
    /// Bytes between header and index, once laid out.
    pub(crate) body: Vec<u8>,
}

/// A source file or an attachment.
#[derive(Debug, Clone)]
pub(crate) struct ForgedFile {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
    pub(crate) file_len: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct ForgedTensor {
    pub(crate) name: Vec<u8>,
    pub(crate) source: u32,
    pub(crate) dtype: u8,
    pub(crate) shape: Vec<u64>,
    pub(crate) data_offset: u64,
    pub(crate) chunk_samples: u32,
    pub(crate) reconstruction: u32,
    pub(crate) duplicate_of: u32,
    pub(crate) digest: [u8; 32],
    pub(crate) parts: Vec<ForgedPart>,
}

impl Forge {
    /// Takes a valid container apart.
    pub(crate) fn open(file: &[u8]) -> Self {
        let container = naive::parse(file, u64::MAX).expect("the file to forge from is valid");
        let mut forge = Self::of(&container);
        for forged in forge.attachments.iter_mut().chain(&mut forge.sources) {
            let offset = usize::try_from(forged.offset).unwrap();
            forged.bytes = file[offset..][..usize::try_from(forged.len).unwrap()].to_vec();
        }
        for (forged, tensor) in forge.tensors.iter_mut().zip(&container.tensors) {
            for (forged, part) in forged.parts.iter_mut().zip(&tensor.parts) {
                *forged = ForgedPart::open(file, tensor, part);
            }
        }
        forge
    }

    /// The index of a container, without what it points at.
    pub(crate) fn of(container: &naive::Container) -> Self {
        let sources = container.sources.iter().map(|source| ForgedFile {
            name: source.name.clone().into_bytes(),
            bytes: vec![],
            offset: source.offset,
            len: source.len,
            crc: source.crc,
            file_len: source.file_len,
        });
        let attachments = container.attachments.iter().map(|attachment| ForgedFile {
            name: attachment.name.clone().into_bytes(),
            bytes: vec![],
            offset: attachment.offset,
            len: attachment.len,
            crc: attachment.crc,
            file_len: 0,
        });
        let tensors = container.tensors.iter().map(|tensor| ForgedTensor {
            name: tensor.name.clone().into_bytes(),
            source: tensor.source,
            dtype: tensor.dtype,
            shape: tensor.shape.clone(),
            data_offset: tensor.data_offset,
            chunk_samples: tensor.chunk_samples,
            reconstruction: 0,
            duplicate_of: tensor.duplicate_of.unwrap_or(u32::MAX),
            digest: tensor.digest,
            parts: tensor
                .parts
                .iter()
                .map(|part| ForgedPart::of(*part))
                .collect(),
        });
        Self {
            sources: sources.collect(),
            attachments: attachments.collect(),
            tensors: tensors.collect(),
            ..Self::default()
        }
    }

    /// The tensor of that name.
    pub(crate) fn tensor(&mut self, name: &str) -> &mut ForgedTensor {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.name == name.as_bytes())
            .expect("the tensor is there")
    }

    /// The first part of the tensor of that name.
    pub(crate) fn part(&mut self, name: &str) -> &mut ForgedPart {
        &mut self.tensor(name).parts[0]
    }

    /// Gives every region its place and sets each length and checksum.
    pub(crate) fn lay_out(&mut self) {
        self.body.clear();
        let padding = self.padding;
        let mut place = |bytes: &[u8]| {
            self.body
                .resize(self.body.len().next_multiple_of(64), padding);
            let offset = 128 + self.body.len() as u64;
            self.body.extend(bytes);
            offset
        };
        for part in self.tensors.iter_mut().flat_map(|tensor| &mut tensor.parts) {
            let payload = part.payload();
            part.fields.offset = place(&payload);
            if !part.fields.has_chunks() {
                part.fields.table_len = 0;
            }
        }
        for file in self.attachments.iter_mut().chain(&mut self.sources) {
            file.offset = place(&file.bytes);
            file.len = file.bytes.len() as u64;
            file.crc = crc32c::crc32c(&file.bytes);
        }
        self.body
            .resize(self.body.len().next_multiple_of(64), padding);
    }

    /// The bytes of the index.
    pub(crate) fn index(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let counts = [
            self.sources.len(),
            self.attachments.len(),
            self.tensors.len(),
        ];
        let counts = self
            .counts
            .unwrap_or(counts.map(|count| u32::try_from(count).unwrap()));
        counts
            .iter()
            .for_each(|count| out.extend(count.to_le_bytes()));
        out.extend(self.reserved.to_le_bytes());
        for (file, is_source) in self
            .sources
            .iter()
            .map(|file| (file, true))
            .chain(self.attachments.iter().map(|file| (file, false)))
        {
            string(&mut out, &file.name);
            [file.offset, file.len]
                .iter()
                .for_each(|field| out.extend(field.to_le_bytes()));
            out.extend(file.crc.to_le_bytes());
            if is_source {
                out.extend(file.file_len.to_le_bytes());
            }
        }
        for tensor in &self.tensors {
            string(&mut out, &tensor.name);
            out.extend(tensor.source.to_le_bytes());
            out.extend([tensor.dtype, u8::try_from(tensor.shape.len()).unwrap()]);
            out.extend(u16::try_from(tensor.parts.len()).unwrap().to_le_bytes());
            tensor
                .shape
                .iter()
                .chain([&tensor.data_offset])
                .for_each(|field| out.extend(field.to_le_bytes()));
            [
                tensor.chunk_samples,
                tensor.reconstruction,
                tensor.duplicate_of,
            ]
            .iter()
            .for_each(|field| out.extend(field.to_le_bytes()));
            out.extend(tensor.digest);
            tensor.parts.iter().for_each(|part| part.write(&mut out));
        }
        out.extend(&self.after_last_tensor);
        out
    }

    /// The file, with the fields as they are now.
    pub(crate) fn seal(&self) -> Vec<u8> {
        seal(&self.body, &self.index())
    }
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
    out.extend(text);
}

/// The header and the footer of a file whose index lies at `index_offset`.
pub(crate) fn header_and_footer(index_offset: u64, index: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut ends = vec![0; 128 + 16];
    ends[..8].copy_from_slice(b"\x89WCDC\r\n\n");
    ends[8..12].copy_from_slice(&[2, 0, 128, 0]);
    ends[16..24].copy_from_slice(&index_offset.to_le_bytes());
    ends[24..32].copy_from_slice(&(index.len() as u64).to_le_bytes());
    ends[32..36].copy_from_slice(&crc32c::crc32c(index).to_le_bytes());
    ends[40..48].copy_from_slice(&(index_offset + index.len() as u64 + 16).to_le_bytes());
    fix_header(&mut ends);
    let footer = ends.split_off(128);
    (ends, footer)
}

/// Header, body, index and footer.
pub(crate) fn seal(body: &[u8], index: &[u8]) -> Vec<u8> {
    let (header, footer) = header_and_footer(128 + body.len() as u64, index);
    [&header, body, index, &footer].concat()
}

/// Makes header and footer agree again.
pub(crate) fn fix_header(file: &mut [u8]) {
    let crc = crc32c::crc32c(&file[..124]).to_le_bytes();
    file[124..128].copy_from_slice(&crc);
    let (len, footer) = (file[40..48].to_vec(), file.len() - 16);
    file[footer..footer + 8].copy_from_slice(&len);
    file[footer + 8..footer + 12].copy_from_slice(&crc);
    file[footer + 12..].copy_from_slice(b"WCDE");
}
