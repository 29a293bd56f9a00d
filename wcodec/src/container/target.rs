//! Files that take their names only when they are whole.

use crate::error::{Error, ErrorKind, Result};
use std::path::{Path, is_separator};
use tempfile::{NamedTempFile, TempPath};

/// Whether a path ends like a folder's: in a separator, or in `.` or `..`.
pub(crate) fn names_folder(target: &Path) -> bool {
    let text = target.to_string_lossy();
    let last = text.rsplit(is_separator).next().unwrap_or_default();
    matches!(last, "" | "." | "..")
}

/// Checks that a file may be given the name `target`.
///
/// # Errors
///
/// `TargetExists` if a file stands there and `replace` is not given; `InvalidArgument` if something else stands
/// there (a folder, a link, a device: replacing it would do what nobody means), or if the name is a folder's.
pub(crate) fn check(target: &Path, replace: bool) -> Result<()> {
    let invalid = |what| Err(Error::from(ErrorKind::InvalidArgument { what }).in_file(target));
    if names_folder(target) {
        return invalid("is the name of a folder; name a file");
    }
    match target.symlink_metadata() {
        Ok(found) if !found.is_file() => {
            invalid("is there and not a regular file; name another target")
        }
        Ok(_) if !replace => Err(Error::from(ErrorKind::TargetExists).in_file(target)),
        _ => Ok(()),
    }
}

/// A temporary file in the folder of `target`.
///
/// # Errors
///
/// `Io`, with the target.
pub(crate) fn temp_file_beside(target: &Path) -> Result<NamedTempFile> {
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    temp_file_in(folder).map_err(|error| Error::from(error).in_file(target))
}

/// A temporary file in `folder`, with the permissions that any new file gets there.
pub(crate) fn temp_file_in(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wcodec-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less the umask, as for every file; the default of a temporary file is private to its owner.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// A temporary file whose bytes are on the disk, and which is closed.
///
/// # Errors
///
/// `Io`, with the target; the file is then removed.
pub(crate) fn flushed(file: NamedTempFile, target: &Path) -> Result<TempPath> {
    let synced = file.as_file().sync_all();
    synced.map_err(|error| Error::from(error).in_file(target))?;
    Ok(file.into_temp_path())
}

/// Gives a temporary file its name.
///
/// # Errors
///
/// Those of [`check`], and `Io`; the file is then removed.
pub(crate) fn persist(file: TempPath, target: &Path, replace: bool) -> Result<()> {
    check(target, replace)?;
    let named = |error: std::io::Error| Error::from(error).in_file(target);
    if replace {
        return file.persist(target).map_err(|error| named(error.error));
    }
    file.persist_noclobber(target)
        .map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::from(ErrorKind::TargetExists).in_file(target)
            }
            _ => named(error.error),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(check(&file, false).is_ok());
        std::fs::write(&file, "x").unwrap();
        assert!(matches!(
            check(&file, false).unwrap_err().kind(),
            ErrorKind::TargetExists
        ));
        assert!(check(&file, true).is_ok());
        let is_refused = |path: &Path| {
            let error = check(path, true).unwrap_err();
            matches!(error.kind(), ErrorKind::InvalidArgument { .. })
        };
        assert!(is_refused(folder.path()));
        assert!(is_refused(&folder.path().join("file/")));
        assert!(is_refused(&folder.path().join("none/.")));
        #[cfg(unix)]
        {
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&file, &link).unwrap();
            assert!(is_refused(&link));
            assert!(is_refused(Path::new("/dev/null")));
        }
    }
}
