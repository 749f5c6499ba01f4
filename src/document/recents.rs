//! Paths in the file of settings: texts where they are such, else the bytes the system has for them.
//!
//! What is no path of this system, or of a later version's kind, is passed over: it costs nobody the other settings.

use std::{ffi::OsString, path::PathBuf};

use serde::{Deserialize as _, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A path as it is written.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Text(&'a str),
    /// `{"Unix": [47, 109, 232]}`, `{"Windows": [92, 55296]}`.
    System(OsString),
}

/// Writes a list of paths.
///
/// # Errors
/// What the writer says.
pub(super) fn serialize<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|it| match it.to_str() {
        Some(text) => Written::Text(text),
        None => Written::System(it.clone().into_os_string()),
    }))
}

/// Reads a list of paths.
///
/// # Errors
/// What is no list.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    let path = |it: Value| match it {
        Value::String(text) => Some(PathBuf::from(text)),
        other => serde_json::from_value::<OsString>(other)
            .ok()
            .map(PathBuf::from),
    };
    let all = Vec::<Value>::deserialize(from)?;
    Ok(all.into_iter().filter_map(path).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::SavedSettings;

    fn read(json: &str) -> SavedSettings {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_no_path_is_passed_over() {
        let it = read(r#"{"recents": ["/a", 3, null, {"Other": [1]}, {"Unix": ["x"]}, "/b"]}"#);
        assert_eq!(it.recents, [Path::new("/a"), Path::new("/b")]);
        assert!(serde_json::from_str::<SavedSettings>(r#"{"recents": 3}"#).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_is_read_as_it_was_written() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
        let mut settings = SavedSettings::default();
        let odd = Path::new(OsStr::from_bytes(b"/models/mod\xE8le"));
        settings.remember(Path::new("/models/a"));
        settings.remember(odd);
        let json = serde_json::to_string(&settings).unwrap();
        assert!(json.contains(r#""/models/a""#), "{json}");
        let again = read(&json);
        assert_eq!(again, settings);
        assert_eq!(again.recents[0], odd);
        // Another system's is not this one's.
        assert!(
            read(r#"{"recents": [{"Windows": [47]}]}"#)
                .recents
                .is_empty()
        );
    }
}
