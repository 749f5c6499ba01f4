//! What the window keeps from one start to the next, and the file it lies in.
//!
//! The file is replaced as a whole, so that a program that is ended at any moment leaves either the old file or the
//! new one. One that cannot be read is put aside, never written over; fields of another version are passed over.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::write_whole;
use crate::spec::DeviceChoice;

/// Names another folder for the settings: for a copy that travels, and for tests.
pub const CONFIG_DIR: &str = "MOESCOPE_CONFIG_DIR";
/// Most models remembered.
pub const MAX_RECENTS: usize = 8;
/// Smallest and largest zoom that is taken from a file.
pub const ZOOM: (f32, f32) = (0.2, 5.0);

const FILE: &str = "settings.json";
const ASIDE: &str = "settings.broken.json";
const FORMAT: u32 = 1;
/// More is no settings file.
const MAX_BYTES: u64 = 1 << 20;
/// Slowest and fastest pace, tokens a second.
const PACE: (f32, f32) = (0.1, 10_000.0);
/// Smallest and largest side of a window, points.
const SIDES: (f32, f32) = (320.0, 16_384.0);

/// Which theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SavedTheme {
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
    /// As the system has it.
    System,
}

/// What is kept. Every field may be missing from the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedSettings {
    /// Of the file: raised when a field changes its meaning.
    pub format: u32,
    /// The theme; none until one is chosen, then the program's own choice holds.
    pub theme: Option<SavedTheme>,
    /// Times the actual size.
    pub zoom: f32,
    /// Tokens a second; none is as fast as it goes.
    pub pace: Option<f32>,
    /// Most new tokens of one play.
    pub stop_after: u32,
    /// Whether nothing moves for show.
    pub reduced_motion: bool,
    /// Where models run.
    pub device: DeviceChoice,
    /// Paths of the models opened last, newest first.
    #[serde(with = "super::recents")]
    pub recents: Vec<PathBuf>,
    /// Width and height of the window at actual size, points.
    pub window: Option<[f32; 2]>,
    /// Whether the window filled the screen.
    pub maximized: bool,
    /// The tiles, as `ui` writes them; none is the layout of a first start.
    pub layout: Option<Value>,
}

impl Default for SavedSettings {
    fn default() -> Self {
        Self {
            format: FORMAT,
            theme: None,
            zoom: 1.0,
            pace: Some(8.0),
            stop_after: 128,
            reduced_motion: false,
            device: DeviceChoice::Auto,
            recents: Vec::new(),
            window: None,
            maximized: false,
            layout: None,
        }
    }
}

impl SavedSettings {
    /// The same with every number in its range: a file may hold anything.
    #[must_use]
    fn in_range(mut self) -> Self {
        let within = |it: f32, (least, most): (f32, f32)| (least..=most).contains(&it);
        if !within(self.zoom, ZOOM) {
            self.zoom = 1.0;
        }
        if self.pace.is_some_and(|it| !within(it, PACE)) {
            self.pace = Self::default().pace;
        }
        self.stop_after = self.stop_after.clamp(1, 100_000);
        let fits = |it: &[f32; 2]| it.iter().all(|it| within(*it, SIDES));
        self.window = self.window.filter(fits);
        self.recents.truncate(MAX_RECENTS);
        self
    }

    /// Puts a model at the head of those opened last.
    pub fn remember(&mut self, path: &Path) {
        self.recents.retain(|it| it != path);
        self.recents.insert(0, path.to_owned());
        self.recents.truncate(MAX_RECENTS);
    }

    /// Takes a model off those opened last; whether it was among them.
    pub fn forget(&mut self, path: &Path) -> bool {
        let n = self.recents.len();
        self.recents.retain(|it| it != path);
        self.recents.len() < n
    }
}

/// Where settings are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFile {
    path: PathBuf,
}

impl SettingsFile {
    /// In this folder, which need not be there yet.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join(FILE),
        }
    }

    /// In the folder named by `MOESCOPE_CONFIG_DIR`, else the platform's own; none where the system knows no
    /// home folder.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        if let Some(folder) = env::var_os(CONFIG_DIR).filter(|it| !it.is_empty()) {
            return Some(Self::in_folder(Path::new(&folder)));
        }
        let platform = etcetera::choose_base_strategy().ok()?;
        Some(Self::in_folder(&platform.config_dir().join("moescope")))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is kept, and one sentence where it could not be read.
    #[must_use]
    pub fn load(&self) -> (SavedSettings, Option<String>) {
        match self.read() {
            Ok(it) => (it.in_range(), None),
            Err(why) if why.kind() == io::ErrorKind::NotFound => (SavedSettings::default(), None),
            Err(why) => (SavedSettings::default(), Some(self.put_aside(&why))),
        }
    }

    fn read(&self) -> io::Result<SavedSettings> {
        let meta = fs::metadata(&self.path)?;
        if !meta.is_file() || meta.len() > MAX_BYTES {
            return Err(io::Error::other("it is no settings file"));
        }
        Ok(serde_json::from_slice(&fs::read(&self.path)?)?)
    }

    /// Keeps a file that cannot be read beside the one that will be written.
    fn put_aside(&self, why: &io::Error) -> String {
        let aside = self.path.with_file_name(ASIDE);
        match fs::rename(&self.path, &aside) {
            Ok(()) => format!(
                "The settings could not be read ({why}); they are as at first, and the file is kept as {}",
                aside.display()
            ),
            Err(_) => format!(
                "The settings could not be read ({why}); they are as at first (in {})",
                self.path.display()
            ),
        }
    }

    /// Writes the file anew; the old one stays whole until the new one is.
    ///
    /// # Errors
    /// What the system says: no room, no right to write.
    pub fn save(&self, settings: &SavedSettings) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut text = serde_json::to_vec_pretty(settings)?;
        text.push(b'\n');
        write_whole(&self.path, &text).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed() -> SavedSettings {
        SavedSettings {
            theme: Some(SavedTheme::Light),
            zoom: 1.5,
            pace: None,
            stop_after: 40,
            reduced_motion: true,
            device: DeviceChoice::Cpu,
            recents: vec!["/models/a".into()],
            window: Some([1024.0, 700.0]),
            maximized: true,
            layout: Some(serde_json::json!({ "root": 1 })),
            ..SavedSettings::default()
        }
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_folder(&folder.path().join("not there yet"));
        assert_eq!(file.load(), (SavedSettings::default(), None));
        file.save(&changed()).unwrap();
        assert_eq!(file.load(), (changed(), None));
        let beside = fs::read_dir(file.path().parent().unwrap()).unwrap();
        assert_eq!(beside.count(), 1, "nothing is left beside it");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_folder(folder.path());
        let kept = folder.path().join("kept elsewhere.json");
        fs::write(&kept, "{}").unwrap();
        std::os::unix::fs::symlink(&kept, file.path()).unwrap();
        file.save(&changed()).unwrap();
        assert!(fs::symlink_metadata(file.path()).unwrap().is_symlink());
        assert_eq!(file.load(), (changed(), None));
    }

    #[test]
    fn a_broken_file_is_put_aside_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_folder(folder.path());
        for broken in ["{\"zoom\": 2", "{\"zoom\": \"large\"}", "", "\u{0}\u{0}"] {
            fs::write(file.path(), broken).unwrap();
            let (settings, said) = file.load();
            assert_eq!(settings, SavedSettings::default());
            assert!(said.unwrap().contains(ASIDE));
            let kept = fs::read_to_string(folder.path().join(ASIDE)).unwrap();
            assert_eq!(kept, broken);
            assert!(!file.path().exists());
        }
    }

    #[test]
    fn fields_of_another_version_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_folder(folder.path());
        fs::write(file.path(), r#"{"format": 7, "hue": 3, "zoom": 2.0}"#).unwrap();
        let (settings, said) = file.load();
        assert_eq!((settings.zoom, said), (2.0, None));
        assert_eq!(settings.stop_after, SavedSettings::default().stop_after);
        assert_eq!(settings.device, DeviceChoice::Auto);
    }

    #[test]
    fn numbers_out_of_range_are_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_folder(folder.path());
        let text = r#"{"zoom": -3, "pace": -1, "stop_after": 0, "window": [1, 1e9]}"#;
        fs::write(file.path(), text).unwrap();
        let (settings, said) = file.load();
        assert_eq!((settings.zoom, settings.pace), (1.0, Some(8.0)));
        assert_eq!((settings.stop_after, settings.window), (1, None));
        assert_eq!(said, None);
    }

    #[test]
    fn recents_are_newest_first_once_each_and_eight_at_most() {
        let mut it = SavedSettings::default();
        for n in 0..10 {
            it.remember(Path::new(&format!("/m/{n}")));
        }
        it.remember(Path::new("/m/5"));
        let want =
            ["5", "9", "8", "7", "6", "4", "3", "2"].map(|it| PathBuf::from(format!("/m/{it}")));
        assert_eq!(it.recents, want);
        assert!(it.forget(Path::new("/m/9")) && !it.forget(Path::new("/m/9")));
        assert_eq!(it.recents.len(), MAX_RECENTS - 1);
    }
}
