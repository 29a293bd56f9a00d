//! Files that a command writes when its work is done, and tries to before it begins.

use anyhow::{Context, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that can be written. What stood under its name stays there until all of the new one is written.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    /// Its folder; `None` where the name is that of a device or a pipe.
    folder: Option<PathBuf>,
}

impl Target {
    /// Makes sure that the file can be written, and leaves nothing behind.
    ///
    /// # Errors
    ///
    /// If it cannot, with its path.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let place = || format!("cannot write {}", path.display());
        ensure!(!path.is_dir(), "{}: it is a folder", place());
        let is_special = path.exists() && !path.is_file();
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = (!is_special).then(|| folder.unwrap_or(Path::new(".")).to_path_buf());
        if let Some(folder) = &folder {
            drop(new_file(folder).with_context(place)?);
        }
        Ok(Self {
            path: path.to_path_buf(),
            folder,
        })
    }

    /// As [`open`](Self::open), of a file that was asked for or not.
    pub(crate) fn maybe(path: Option<&PathBuf>) -> anyhow::Result<Option<Self>> {
        path.map(|path| Self::open(path)).transpose()
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// If the disk is full or the like, with its path.
    pub(crate) fn write(self, text: &str) -> anyhow::Result<()> {
        let place = || format!("cannot write {}", self.path.display());
        let Some(folder) = &self.folder else {
            return std::fs::write(&self.path, text).with_context(place);
        };
        let mut file = new_file(folder).with_context(place)?;
        file.write_all(text.as_bytes()).with_context(place)?;
        file.persist(&self.path).with_context(place)?;
        Ok(())
    }
}

/// A file in the folder with the rights of any new file.
fn new_file(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less what the umask takes
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_at_the_end_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.md");
        std::fs::write(&path, "old").unwrap();
        let target = Target::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(
            folder.path().read_dir().unwrap().count(),
            1,
            "not while it waits"
        );
        target.write("new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("none/out.md"), folder.path().into()] {
            let error = format!("{:#}", Target::open(&path).unwrap_err());
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
